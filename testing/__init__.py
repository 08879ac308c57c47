"""Tests for authors of stages: `check_stage` holds a stage class against the contract."""

from soundstage.testing.stage_check import ContractBroken as ContractBroken
from soundstage.testing.stage_check import ContractReport as ContractReport
from soundstage.testing.stage_check import check_stage as check_stage

__all__ = ["ContractBroken", "ContractReport", "check_stage"]
