"""What every room uses: errors, files, paths, devices."""
