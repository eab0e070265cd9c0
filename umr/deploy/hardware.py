"""The kinds of machine that a Space can run on, and what must be installed on each. Not the Space's files (space)."""

from __future__ import annotations

from dataclasses import dataclass

from umr.errors import ConfigError
from umr.shipped import repository_root

#: ZeroGPU's own PyTorch versions, of those that umr runs with; any other is refused when such a Space starts.
ZERO_TORCH = "torch>=2.8,<2.12,!=2.9.*"
#: The package of the decorator without which such a Space does not start (umr.encoders.zero_gpu).
ZERO_SPACES = "spaces>=0.40,<1"
CPU_WHEELS = "--extra-index-url https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A kind of machine.

    Attributes:
        name: as it is asked for.
        flavour: the Hub's own word for the machine that is suggested.
        python: the version that the Space asks for.
        requirements: the file of this repository that the Space's requirements are made from.
        first: lines before them.
        torch: the line of PyTorch in place of the file's; "" keeps it.
        more: lines after them.
        free: whether the Hub may be asked for such a machine at once: it costs its owner nothing by the hour.
    """

    name: str
    flavour: str
    requirements: str
    python: str = "3.12"
    first: tuple[str, ...] = ()
    torch: str = ""
    more: tuple[str, ...] = ()
    free: bool = False


HARDWARE = {
    one.name: one
    for one in (
        Hardware(name="cpu", flavour="cpu-basic", requirements="requirements-cpu.txt", first=(CPU_WHEELS,)),
        Hardware(
            name="zero",
            flavour="zero-a10g",
            requirements="requirements-cpu.txt",
            python="3.12.12",
            torch=ZERO_TORCH,
            more=(ZERO_SPACES,),
            free=True,
        ),
        Hardware(name="gpu", flavour="t4-small", requirements="requirements.txt"),
    )
}


def hardware(name: str) -> Hardware:
    """The kind of machine of this name.

    Raises:
        ConfigError: there is none; those that exist are named.
    """
    if name not in HARDWARE:
        raise ConfigError(f"there is no hardware {name!r}; there are: {', '.join(HARDWARE)}")
    return HARDWARE[name]


def requirements(machine: Hardware) -> str:
    """The text of a Space's requirements.txt: the pins are those of the repository's own file.

    Raises:
        ConfigError: that file is not here, as in an installed package.
    """
    path = repository_root() / machine.requirements
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}); a Space is built from a checkout of the repository"
        ) from error
    kept = [line for line in lines if line.strip() and not line.startswith("#")]
    if machine.torch:
        kept = [machine.torch if line.startswith("torch") else line for line in kept]
    return "".join(f"{line}\n" for line in (*machine.first, *kept, *machine.more))
