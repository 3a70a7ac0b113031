"""Building and publishing the live lineage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from operators.warehouse import WarehouseOperator, final


class BeginLiveBuildOperator(WarehouseOperator):
    """Resolves the known time, begins a build with its seeds, and returns ``build_id`` and ``known_seq``.

    Skips, and all that follows with it, when readers already see everything accepted; the parameter ``rebuild`` builds
    all the same, ``full_refresh`` makes every table anew.
    """

    def execute(self, context: Context) -> dict[str, int]:
        from neet import live, transform

        state = live.state(self.settings, self.dsn)
        self.log.info("%s", state.words)
        is_full = bool(context["params"].get("full_refresh"))
        if not state.is_behind and not context["params"].get("rebuild") and not is_full:
            raise AirflowSkipException(f"Nothing to build. {state.words}")
        with final(transform.BuildFailed):
            build = transform.build_live(
                self.settings, self.dsn, layer=transform.LAYERS[0], full_refresh=is_full
            )
        return {"build_id": build.build_id, "known_seq": build.known_seq}


class BuildLayerOperator(WarehouseOperator):
    """Builds one layer of the build that :class:`BeginLiveBuildOperator` began.

    Args:
        layer: one of :data:`neet.transform.LAYERS` but the first.
        build: what the first task returned.
    """

    template_fields: Sequence[str] = ("build",)

    def __init__(self, *, layer: str, build: Any, **kwargs) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.build = build

    def execute(self, context: Context) -> dict[str, Any]:
        from neet import transform

        with final(transform.BuildFailed):
            built = transform.build_live(
                self.settings, self.dsn, layer=self.layer, build_id=self.build["build_id"]
            )
        self.log.info("Layer %s: %s s, %s", self.layer, built.seconds, built.nodes)
        return {"seconds": built.seconds, "nodes": built.nodes}


class PublishOperator(WarehouseOperator):
    """Shows a finished build to readers: every mart at once.

    Args:
        build: what :class:`BeginLiveBuildOperator` returned.
    """

    template_fields: Sequence[str] = ("build",)

    def __init__(self, *, build: Any, **kwargs) -> None:
        super().__init__(**kwargs)
        self.build = build

    def execute(self, context: Context) -> dict[str, Any]:
        from neet import publishing

        published = publishing.publish(self.settings, self.dsn, self.build["build_id"])
        self.log.info(
            "Build %s is published, %s rows written: %s",
            published.build_id, published.written, published.rows,
        )  # fmt: skip
        return {
            "build_id": published.build_id,
            "known_seq": published.known_seq,
            "rows": published.rows,
        }
