"""``separable targets``: the rows that libraries can be compiled for."""

from __future__ import annotations

from separable.compiler.commands.terminal import new_table, print_note, stdout
from separable.targets.errors import UnsupportedHost
from separable.targets.host import detect_host
from separable.targets.row import KIB, Target
from separable.targets.table import all_targets, fat_targets, find_variants, system_targets


def targets_command() -> None:
    """List the targets for Linux with glibc, the names for other systems, and what `native` is on this machine."""
    table = new_table(["target", "arch", "cpu"], ["vector bits", "registers", "FMA/cycle", "L1 KiB", "L2 KiB"])
    table.add_column("instruction sets", overflow="fold")
    try:
        table.add_row(*_cells(detect_host()), style="bold")
    except UnsupportedHost as error:
        print_note(str(error))
    for target in all_targets():
        table.add_row(*_cells(target))
    stdout().print(table)
    for name in fat_targets():
        print_note(f"{name}: one library with kernels for {', '.join(row.name for row in find_variants(name).rows)}")
    archs = dict.fromkeys(target.name.partition(":")[0] for target in system_targets())
    print_note(f"for Android and for Linux with musl, with the CPUs above: {', '.join(archs)}")


def _cells(target: Target) -> tuple[str, ...]:
    numbers = (
        target.vector_bits,
        target.vector_registers,
        target.fma_per_cycle,
        target.l1_bytes // KIB,
        target.l2_bytes // KIB,
    )
    return (target.name, target.arch, target.cpu, *map(str, numbers), " ".join(target.isa))
