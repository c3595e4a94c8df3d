from stylecinegan.errors import ExtensionError
from stylecinegan.ops.splatting import Backend, splat

__all__ = ["Backend", "ExtensionError", "splat"]
