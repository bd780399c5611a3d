"""The schema as SQLAlchemy tables; `migrations/` creates it, a test holds the two equal.

Placement on a cluster is said per module: *distributed* tables grow, lead every key with `app_id`,
are partitioned by time and take part in no foreign key; *reference* tables are small and read
everywhere; *local* tables live on the coordinator.
"""

from service.store.tables.base import metadata
from service.store.tables.declared import api_keys, app_channels, apps, channels, slos, tasks, teams
from service.store.tables.growing import (
    call_counts,
    drift_counts,
    samples,
    scores,
    sessions,
    signals,
    sli_minutes,
)
from service.store.tables.incidents import alerts, incident_events, incidents, notifications
from service.store.tables.work import (
    api_key_uses,
    awaited_scores,
    drift_references,
    drift_states,
    ingest_batches,
    open_sessions,
    scoring_jobs,
    sdk_instances,
    slo_states,
)

__all__ = [
    "alerts",
    "api_key_uses",
    "api_keys",
    "app_channels",
    "apps",
    "awaited_scores",
    "call_counts",
    "channels",
    "drift_counts",
    "drift_references",
    "drift_states",
    "incident_events",
    "incidents",
    "ingest_batches",
    "metadata",
    "notifications",
    "open_sessions",
    "samples",
    "scores",
    "scoring_jobs",
    "sdk_instances",
    "sessions",
    "signals",
    "sli_minutes",
    "slo_states",
    "slos",
    "tasks",
    "teams",
]
