"""The command line: ``separable VERB`` and ``compile``, which is ``separable compile``.

Whatever a user can cause ends in one message and exit code 2 (1 if a library fails its verification, 130 after Ctrl-C),
never in a traceback. TVM, ONNX and torch are imported by the verbs that need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

import separable
from separable.compiler.commands.agent import agent_command
from separable.compiler.commands.choose import choose_command
from separable.compiler.commands.compile import compile_command
from separable.compiler.commands.doctor import doctor_command
from separable.compiler.commands.estimate import estimate_command
from separable.compiler.commands.inspect import inspect_command
from separable.compiler.commands.operators import operators_command
from separable.compiler.commands.records import records
from separable.compiler.commands.run import run_command
from separable.compiler.commands.tables import tables_command
from separable.compiler.commands.targets import targets_command
from separable.compiler.commands.terminal import Verbs, print_error
from separable.compiler.commands.tracker import tracker_command
from separable.compiler.commands.tune import tune_command
from separable.compiler.commands.verify import verify_command
from separable.compiler.commands.zoo import zoo_command
from separable.compiler.errors import CompileError, VerificationFailed
from separable.runtime.loader import ModelError
from separable.targets.errors import ToolchainError, UnknownTargetName

FAILED_VERIFICATION, FAILED, INTERRUPTED = 1, 2, 130


class _Program(Verbs):
    """Turns what a verb raises into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_error("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output went away, as `head` does
            raise
        except VerificationFailed as error:
            print_error(str(error))
            raise typer.Exit(FAILED_VERIFICATION) from error
        except (CompileError, ModelError, UnknownTargetName, ToolchainError) as error:
            print_error(str(error))
            raise typer.Exit(FAILED) from error
        except OSError as error:
            print_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(FAILED) from error


app = typer.Typer(
    cls=_Program,
    help="Compile neural networks for mobile CPUs: one ONNX file in, one standalone shared library out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # markup would swallow the defaults that help texts name in brackets
    pretty_exceptions_enable=False,
)
app.command("compile")(compile_command)
app.command("zoo", no_args_is_help=True)(zoo_command)
app.command("inspect")(inspect_command)
app.command("estimate")(estimate_command)
app.command("run")(run_command)
app.command("verify")(verify_command)
app.command("targets")(targets_command)
app.command("operators")(operators_command)
app.command("choose")(choose_command)
app.command("tune")(tune_command)
app.add_typer(records, name="records")
app.command("tables")(tables_command)
app.command("tracker")(tracker_command)
app.command("agent")(agent_command)
app.command("doctor")(doctor_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"separable {separable.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of no verb."""


def main() -> None:
    """The program ``separable``."""
    app(prog_name="separable")


def compile_main() -> None:
    """The program ``compile``."""
    app(["compile", *sys.argv[1:]], prog_name="separable")
