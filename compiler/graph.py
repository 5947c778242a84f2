"""A Relax function as a straight line of named bindings, and the one loop that every rewrite of it shares.

The canonical module has one function ``main`` with one dataflow block; every binding is ``name = op(names, constants)``
and the function returns a tuple of the outputs, also when there is only one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from separable.compiler._tvm import relax, tvm
from separable.compiler.exprs import is_operation, operands, substitute

Rule: TypeAlias = "Callable[[relax.Expr, Graph], relax.Expr]"


@dataclass
class Graph:
    """Bindings in execution order, with unique variable names; every value is one operation without nesting.

    Attributes:
        params: the model's inputs.
        outputs: the model's outputs: bound variables, parameters or constants.
        bindings: value of each variable.
        reads: during :func:`rewrite`, how often the module that is being rewritten reads each variable, by name.
    """

    params: list[relax.Var]
    outputs: list[relax.Expr] = field(default_factory=list)
    bindings: dict[relax.Var, relax.Expr] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)
    _names: set[str] = field(default_factory=set)
    _builder: relax.BlockBuilder = field(default_factory=relax.BlockBuilder)

    def __post_init__(self) -> None:
        # The function's own name is taken as well.
        self._names.update(("main", *(param.name for param in self.params)))

    @staticmethod
    def of(mod: tvm.IRModule) -> Graph:
        """Read function ``main`` of a canonical module."""
        main = mod["main"]
        graph = Graph(list(main.params))
        for block in main.body.blocks:
            for binding in block.bindings:
                graph.bindings[binding.var] = binding.value
                graph._names.add(binding.var.name)
        body = main.body.body
        graph.outputs = list(body.fields) if isinstance(body, relax.Tuple) else [body]
        return graph

    def bind(self, value: relax.Expr, name: str) -> relax.Expr:
        """Like :meth:`append`, under ``name`` or, where that is taken, ``name`` with a number."""
        return self.bind_all([value], name)[0]

    def bind_all(self, values: Sequence[relax.Expr], name: str) -> list[relax.Expr]:
        """Like :meth:`bind` for each of ``values``; what several of them are computed from is bound once."""
        done: dict[relax.Expr, relax.Expr] = {}
        return [self.append(value, self._unique(name), done) if is_operation(value) else value for value in values]

    def append(self, value: relax.Expr, name: str, done: dict[relax.Expr, relax.Expr] | None = None) -> relax.Expr:
        """Bind ``value`` to a variable ``name``; operations nested in it become ``name_1``, ``name_2``, ... before it.

        ``done`` holds what is bound already, and is added to.

        Returns the variable that holds the value; variables and constants are returned as they are.

        Raises:
            tvm.error.TVMError: the operands' shapes or types do not fit the operation.
        """
        done = {} if done is None else done

        def flatten(expr: relax.Expr, own_name: str | None = None) -> relax.Expr:
            if not is_operation(expr):
                return expr
            for operand in operands(expr):
                if operand not in done:
                    done[operand] = flatten(operand)
            flat = self.typed(substitute(expr, done))
            var = relax.DataflowVar(own_name or self._unique(f"{name}_1"), flat.ty)
            self.bindings[var] = flat
            return var

        if value not in done:
            done[value] = flatten(value, name)
        return done[value]

    def typed(self, value: relax.Expr) -> relax.Expr:
        """``value``, one operation without nesting, with its type inferred."""
        return self._builder.normalize(value)

    def rebind(self, var: relax.Var, value: relax.Expr) -> None:
        """Give an existing variable a new value with the same shape and operands bound before it."""
        self.bindings[var] = self.typed(value)

    def _unique(self, name: str) -> str:
        while name in self._names:
            stem, _, number = name.rpartition("_")
            name = f"{stem}_{int(number) + 1}" if stem and number.isdecimal() else f"{name}_1"
        self._names.add(name)
        return name

    def definition(self, expr: relax.Expr) -> relax.Expr | None:
        """What the variable ``expr`` is bound to; None for parameters, constants and anything that is no variable."""
        return self.bindings.get(expr) if isinstance(expr, relax.Var) else None

    def count_reads(self) -> Counter[str]:
        """How often each variable is read, by name; being a model output counts as a read."""
        reads = [expr for value in self.bindings.values() for expr in operands(value)]
        return Counter(expr.name for expr in (*reads, *self.outputs) if isinstance(expr, relax.Var))

    def to_module(self) -> tvm.IRModule:
        """Build the canonical module from the bindings that an output depends on."""
        live: set[relax.Var] = {expr for expr in self.outputs if isinstance(expr, relax.Var)}
        for var, value in reversed(self.bindings.items()):
            if var in live:
                live.update(expr for expr in operands(value) if isinstance(expr, relax.Var))
        builder = relax.BlockBuilder()
        renamed: dict[relax.Expr, relax.Expr] = {}
        with builder.function("main", self.params):
            with builder.dataflow():
                for var, value in self.bindings.items():
                    if var in live:
                        emit = builder.emit_output if var in self.outputs else builder.emit
                        renamed[var] = emit(substitute(value, renamed), var.name)
            builder.emit_func_output(relax.Tuple([renamed.get(expr, expr) for expr in self.outputs]))
        return builder.get()


def rewrite(mod: tvm.IRModule, rule: Rule) -> tvm.IRModule:
    """Give every binding's value to ``rule`` in execution order and bind what it returns under the old name.

    ``rule(value, graph)`` sees operands that are already rewritten and may look at their definitions in ``graph``. It
    returns the same value, a new one of the same shape, or a variable or constant that replaces the binding.
    Bindings that no output needs any more are dropped. A model output always stays the result of an operation. Where
    the rule returns all values as they were, the module stays the same.
    """
    old = Graph.of(mod)
    # New names must differ from old ones that are still to come.
    new = Graph(old.params, reads=old.count_reads(), _names=old._names)
    replaced: dict[relax.Expr, relax.Expr] = {}
    for var, former in old.bindings.items():
        value = substitute(former, replaced)
        if value is not former:
            value = new.typed(value)
        ruled = rule(value, new)
        if ruled is former:
            new.bindings[var] = former
            continue
        result = new.append(ruled, var.name)
        if var in old.outputs and result not in new.bindings:
            result = new.append(value, var.name)
        replaced[var] = result
    if not replaced:
        return mod
    new.outputs = [replaced.get(expr, expr) for expr in old.outputs]
    return new.to_module()
