"""What a stage class declares: the inputs that a pipeline may leave unwired."""

from soundstage.graph.declaration import optional_inputs
from soundstage.graph.port import Port

NUMBER = Port("int64", (), "number")


class Chooses:
    inputs = {"a": NUMBER, "b": NUMBER, "c": NUMBER}
    outputs = {"sum": NUMBER}

    def __call__(self, a, b=None, c=None):
        return {"sum": a + (0 if b is None else b) + (0 if c is None else c)}


class PassesOn(Chooses):
    def __call__(self, **inputs):
        return super().__call__(**inputs)


class NeedsOne(Chooses):
    def __call__(self, b, **inputs):
        return super().__call__(b=b, **inputs)


class HasFewer(Chooses):
    inputs = {"a": NUMBER, "b": NUMBER}


def test_inputs_that_default_to_none_may_be_left_unwired():
    assert optional_inputs(Chooses) == {"b", "c"}
    assert optional_inputs(HasFewer) == {"b"}


def test_base_class_tells_for_inputs_that_are_passed_on():
    assert optional_inputs(PassesOn) == {"b", "c"}
    assert optional_inputs(NeedsOne) == {"c"}


def test_object_without_a_call_has_no_optional_inputs():
    class Silent:
        inputs = {"a": NUMBER}

    assert optional_inputs(Silent) == set()
