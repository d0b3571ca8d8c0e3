# The public names, by subject; sccore/__init__.py reads this file, so that they are listed once.
from .codecs.checkpoint import load_model as load_model
from .codecs.checkpoint import save_model as save_model
from .codecs.coding import decode as decode
from .codecs.coding import encode as encode
from .codecs.inputs import text_mask as text_mask
from .codecs.zoo import create_model as create_model
from .data.images import read_image as read_image
from .data.images import read_mask as read_mask
from .evaluation.bd_rate import bd_rate as bd_rate
from .evaluation.evaluate import evaluate as evaluate
from .loss import rate_distortion as rate_distortion
from .presets import LAMBDAS as LAMBDAS
from .presets import PRESETS as PRESETS
from .priors import external_prior as external_prior
from .sftip import SFTIP as SFTIP
from .training.fit import fit as fit
from .training.recipe import Recipe as Recipe
from .utils.errors import InputError as InputError
from .wacnn import WACNN as WACNN

__version__: str
