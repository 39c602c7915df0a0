"""How much is tried: the same few examples every time, or many new ones with `--hypothesis-profile=long`."""

from hypothesis import HealthCheck, settings

slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "ci", derandomize=True, database=None, max_examples=80, deadline=None, suppress_health_check=slow
)
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=slow)
if settings.get_current_profile_name() not in ("ci", "long"):
    settings.load_profile("ci")
