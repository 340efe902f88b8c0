"""Films: θ(t) with densities and walkers, a cloud of points under noise, images out of noise.

    from toyflows import film
    film.two_modes("pcd", theta_star=1.4).save("pcd.gif")

A film computes nothing of its own: a frame shows what the library has at one step, and frame k
that of step round(k·n), n steps a frame, until the last step, which the last tenth of the film
holds. The same arguments give the same frames, and a file of the same bytes.
"""

from toyflows.film._chain import chain
from toyflows.film._cloud import cloud
from toyflows.film._modes import two_modes
from toyflows.film._reel import Cancelled, Film, Reel, check_out

__all__ = ["Cancelled", "Film", "Reel", "chain", "check_out", "cloud", "two_modes"]
