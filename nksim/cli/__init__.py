"""The command line: the click group, one module per theme, and the exit codes.

0 fine · 1 findings · 2 usage · 3 unreadable input · 4 model failure · 70 a bug · 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from nksim import __version__
from nksim.cli import options
from nksim.errors import Fault, NksimError, shorten, suggestion

# Each is the command of that name in the module of that name.
COMMANDS = (
    "amend", "calendar", "compare", "escalate", "explain", "export", "models", "protocols", "qualify", "serve",
    "simulate", "validate", "verify",
)  # fmt: skip


class Commands(click.Group):
    """Loads the module of the command that is called, and of all only for the help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command by its name."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"no command {shorten(cmd_name)}: {suggestion(cmd_name, COMMANDS)}")
        found: click.Command = getattr(import_module(f"nksim.cli.{cmd_name}"), cmd_name)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nksim")
def cli() -> None:
    """Dosing calendars, regimen comparison and modelled chimerism for NK-cell therapy protocols.

    Start with `nksim protocols list`, then `nksim calendar ID --help`. For planning and review; not a prescription.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command line and turns every outcome into its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(run(list(sys.argv[1:] if args is None else args)))


def run(args: list[str]) -> int:
    """The exit code of one command line; nothing but a bug leaves a traceback, and that in a file."""
    try:
        code = cli.main(args=list(args), prog_name="nksim", standalone_mode=False, obj=tuple(args))
        return code if isinstance(code, int) else 0
    except NksimError as error:
        if options.wants_json(args):
            options.complain_as_json(error.faults, error.exit_code)
        else:
            options.complain(error)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        if options.wants_json(args):
            options.complain_as_json([Fault("NK500", error.format_message(), help="see --help")], 2)
        else:
            error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception:
        return _report_bug(args)


def _report_bug(args: list[str]) -> int:
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="nksim-bug-", suffix=".txt", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"nksim {__version__}, Python {sys.version}\nnksim {' '.join(args)}\n\n{traceback.format_exc()}")
    click.echo(f"error[NK900]: this is a bug in nksim, not in your input\n  help: please send us {path}", err=True)
    return 70
