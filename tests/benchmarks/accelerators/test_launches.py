"""What a program launches is read from short listings of the compilers' forms."""

import pytest
from accelerators.launches import launches_of_hlo, launches_of_thunks

# A loop of 50 with a loop of 16 inside, whose trips only its condition tells.
HLO = """\
HloModule jit_run, is_scheduled=true, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%fused (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %negate.1 = f32[8]{0} negate(%p)
}

%steps_left (state: (s32[], f32[8])) -> pred[] {
  %state.1 = (s32[], f32[8]{0:T(128)}) parameter(0)
  %limit = s32[]{:T(128)} constant(16)
  %index = s32[] get-tuple-element(%state.1), index=0
  ROOT %less = pred[] compare(%index, %limit), direction=LT
}

%cut (a: f32[8]) -> f32[8] {
  %a = f32[8]{0} parameter(0)
  %sorted = f32[8]{0} sort(%a), dimensions={0}, to_apply=%fused
  ROOT %least = f32[8]{0} fusion(%sorted), kind=kLoop, calls=%fused
}

%kept (b: f32[8]) -> f32[8] {
  %b = f32[8]{0} parameter(0)
  ROOT %copy.1 = f32[8]{0} copy(%b)
}

%step (state: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state.2 = (s32[], f32[8]{0:T(128)}) parameter(0)
  %i = s32[] get-tuple-element(%state.2), index=0
  %one = s32[] constant(1)
  %next = s32[] add(%i, %one)
  %x = f32[8]{0} get-tuple-element(%state.2), index=1
  %y = f32[8]{0} fusion(%x), kind=kLoop, calls=%fused
  %whether = pred[] constant(true)
  %z = f32[8]{0} conditional(%whether, %y, %y), true_computation=%kept, false_computation=%cut
  ROOT %end = (s32[], f32[8]{0}) tuple(%next, %z)
}

%frame (state: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state.3 = (s32[], f32[8]{0}) parameter(0)
  %w = f32[8]{0} custom-call(%state.3), custom_call_target="product", \
metadata={op_name="jit(run)/while/body/level_step/dot"}
  %start = (s32[], f32[8]{0}) tuple(%w, %w)
  ROOT %while.1 = (s32[], f32[8]{0}) while(%start), condition=%steps_left, body=%step
}

%frames_left (state: (s32[], f32[8])) -> pred[] {
  %state.4 = (s32[], f32[8]{0}) parameter(0)
  ROOT %more = pred[] constant(true)
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x.1 = f32[8]{0} parameter(0)
  %begin = (s32[], f32[8]{0}) tuple(%x.1, %x.1)
  %while.2 = (s32[], f32[8]{0}) while(%begin), condition=%frames_left, body=%frame, \
backend_config={"known_trip_count":{"n":"50"},"dynamic_variables":[]}
  ROOT %out = f32[8]{0} get-tuple-element(%while.2), index=1
}
"""

THUNKS = """\
000: kCommandBuffer [source | next=002 (1)]
    001: kCustomKernel [source | sink] fusion grid: [8, 1, 1] threads: [128, 1, 1]
    002: kCopy         [source | sink] kCopy
003: kWhile         [prev=000 (1) | sink]
condition:
    004: kCustomKernel [source | sink] compare grid: [1, 1, 1] threads: [1, 1, 1]
  body:
    005: kGemm [source | next=006 (1)]
    006: kWhile         [prev=005 (1) | next=014 (1)]
condition:
        007: kCustomKernel [source | sink] compare grid: [1, 1, 1] threads: [1, 1, 1]
      body:
        000: kCommandBuffer [source | next=011 (1)]
            008: kCustomKernel [source | sink] product grid: [64, 1, 1] threads: [64, 1, 1]
        011: kConditional [prev=000 (1) | sink]
          false_branch:
            000: kCommandBuffer [source | sink]
                009: kCustomKernel [source | sink] sum grid: [1, 1, 1] threads: [32, 1, 1]
                010: kCustomKernel [source | sink] less grid: [1, 1, 1] threads: [32, 1, 1]
          true_branch:
            012: kCopy [source | sink] kCopy
        013: kDynamicSliceFusion [source | sink] params=1, results=1
            001: kCopy [source | sink] kCopy
    014: kCustomKernel [prev=006 (1) | sink] add grid: [1, 1, 1] threads: [1, 1, 1]
"""


def test_hlo_is_counted_loop_by_loop():
    counted = [(trips, each.alone) for trips, each in launches_of_hlo(HLO).nested()]
    # A step has its fusion, and the longer branch: numbers by themselves are no kernels.
    assert counted == [((), 0), ((50,), 1), ((50, 16), 3)]
    assert launches_of_hlo(HLO).whole().kernels == 50 * (1 + 16 * 3)
    assert [each.level_steps for _, each in launches_of_hlo(HLO).nested()] == [0, 1, 0]


def test_thunks_are_counted_inside_and_outside_graphs():
    launches = launches_of_thunks(THUNKS, launches_of_hlo(HLO))
    counted = [
        (trips, each.alone, each.in_graphs, each.graphs, each.waits)
        for trips, each in launches.nested()
    ]
    assert counted == [((), 0, 2, 1, 0), ((50,), 2, 0, 0, 0), ((50, 16), 1, 3, 2, 1)]
    whole = launches.whole()
    assert (whole.kernels, whole.graphs, whole.waits) == (2 + 50 * (2 + 16 * 4), 1601, 800)


def test_listing_of_unknown_form_is_refused():
    with pytest.raises(ValueError, match="no ENTRY computation"):
        launches_of_hlo("")
    with pytest.raises(ValueError, match="has no thunk"):
        launches_of_thunks("", launches_of_hlo(HLO))


def test_listing_of_another_program_is_refused():
    with pytest.raises(ValueError, match="0 loops where the program has 1"):
        launches_of_thunks(THUNKS.splitlines()[1], launches_of_hlo(HLO))
