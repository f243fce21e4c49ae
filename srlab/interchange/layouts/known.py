"""The layouts that are known, and which one a file has."""

from collections.abc import Callable

from srlab.interchange.layouts.compact import srvgg
from srlab.interchange.layouts.ecbsr import ecbsr
from srlab.interchange.layouts.edsr import edsr, edsr_basicsr
from srlab.interchange.layouts.espcn import espcn
from srlab.interchange.layouts.fsrcnn import fsrcnn
from srlab.interchange.layouts.parts import Foreign, Weights
from srlab.interchange.layouts.span import span
from srlab.interchange.layouts.srcnn import srcnn, srcnn_matlab
from srlab.interchange.layouts.vdsr import vdsr, vdsr_matlab


def recognise(theirs: Weights, grey: float) -> tuple[str, Foreign]:
    """Return the name of the layout of weights, and the network that they are.

    Args:
        theirs: The weights by their names.
        grey: What our networks subtract from the picture and add to the output.

    Raises:
        ValueError: The layout is not known, or weights are missing, too many or misshapen; what is
            wrong is told as the end of a sentence that begins with the file.
    """
    for name, layout in LAYOUTS.items():
        try:
            found = layout(theirs, grey)
        except ValueError as error:
            raise ValueError(f"looks like {name}, but {error}") from None
        if found is not None:
            return name, found
    first = ", ".join(key[:40] for key in list(theirs)[:3])
    raise ValueError(f"has no layout that is known, it begins {first}; known: {', '.join(LAYOUTS)}")


# By what a layout is called; a file is of the first that takes it.
LAYOUTS: dict[str, Callable[[Weights, float], Foreign | None]] = {
    "SRCNN of PyTorch ports": srcnn,
    "SRCNN of its authors (.mat)": srcnn_matlab,
    "FSRCNN of PyTorch ports": fsrcnn,
    "ESPCN of PyTorch ports": espcn,
    "VDSR of PyTorch ports": vdsr,
    "VDSR of MatConvNet (.mat)": vdsr_matlab,
    "SRVGGNetCompact of Real-ESRGAN": srvgg,
    "ECBSR of its authors": ecbsr,
    "SPAN of its authors": span,
    "EDSR of its authors": edsr,
    "EDSR of BasicSR": edsr_basicsr,
}
