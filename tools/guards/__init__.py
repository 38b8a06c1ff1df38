"""The architecture's guards: each is a function from a tree's root to what breaks its promise there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tools.guards.addresses import lock_addresses, machine_addresses, unlocked_dependencies
from tools.guards.contracts import banned_uses, broken_contracts
from tools.guards.generated import changed_samples, stale_schemas, unreadable_samples, unsampled_types
from tools.guards.layout import long_files, misplaced_service_files, packages_elsewhere
from tools.guards.purity import impurities
from tools.guards.statements import crowded_sql
from tools.guards.tree import Finding
from tools.guards.writers import foreign_facts

Guard = Callable[[Path], list[Finding]]

GUARDS: Mapping[str, Guard] = MappingProxyType(
    {
        "banned-apis": banned_uses,
        "import-contracts": broken_contracts,
        "packages-resolve-here": packages_elsewhere,
        "purity": impurities,
        "service-files": misplaced_service_files,
        "short-files": long_files,
        "no-machine-addresses": machine_addresses,
        "lock-without-addresses": lock_addresses,
        "lock-complete": unlocked_dependencies,
        "one-statement-a-file": crowded_sql,
        "one-writer-a-family": foreign_facts,
        "schemas-up-to-date": stale_schemas,
        "every-type-sampled": unsampled_types,
        "samples-readable": unreadable_samples,
        "samples-append-only": changed_samples,
    }
)
"""Every guard by name; tools/mutations.py holds a mutation for each."""
