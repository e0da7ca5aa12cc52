"""The kinds of panels in the dashboards, with a uniform look."""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Final, Literal

from attrs import frozen
from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = timeseries.Panel | heatmap.Panel | stat.Panel
Unit = Literal["reqps", "ops", "s", "short", "percentunit", "bytes", "none", "dateTimeFromNow"]
"""Grafana's names of units."""

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_GREEN: Final = "green"
_YELLOW: Final = "yellow"
_RED: Final = "red"


@frozen
class Query:
    """A query of a panel.

    Attributes:
        expression: The query in PromQL.
        legend: The name of its series, as a template.
    """

    expression: str
    legend: str


@frozen
class Thresholds:
    """The values at which a panel changes its colour.

    Attributes:
        warning: The panel is yellow from this value on.
        critical: The panel is red from this value on.
        lower_is_worse: Whether low values are bad, instead of high ones.
    """

    warning: float
    critical: float
    lower_is_worse: bool = False

    def built(self) -> dashboard.ThresholdsConfig:
        """Return them in the format of Grafana's SDK."""
        steps = (
            [(None, _RED), (self.critical, _YELLOW), (self.warning, _GREEN)]
            if self.lower_is_worse
            else [(None, _GREEN), (self.warning, _YELLOW), (self.critical, _RED)]
        )
        return (
            dashboard.ThresholdsConfig()
            .mode(ThresholdsMode.ABSOLUTE)
            .steps([Threshold(value, color) for value, color in steps])
        )


def graph(  # noqa: PLR0913 - options, given by name
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    thresholds: Thresholds | None = None,
    stacked: bool = False,
    minimum: float = 0,
    maximum: float | None = None,
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Build a time series panel, whose legend shows each series' last and largest value."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(minimum)
        .line_width(1.5)
        .fill_opacity(25 if stacked else 8)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003 - its only form
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if maximum is not None:
        panel.max(maximum)
    if thresholds is not None:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel.thresholds(thresholds.built()).thresholds_style(style)
    for name, colour in (colours or {}).items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [DynamicConfigValue(id_val="color", value=fixed)])
    for query, letter in zip(queries, ascii_uppercase, strict=False):
        panel.with_target(_target(query).ref_id(letter))
    return panel


def number(  # noqa: PLR0913 - options, given by name
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    *,
    thresholds: Thresholds | None = None,
    decimals: int | None = None,
) -> stat.Panel:
    """Build a panel with the last value in large type, coloured by the thresholds."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .no_value("no data")
        .graph_mode(BigValueGraphMode.AREA if thresholds is None else BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE if thresholds is None else BigValueColorMode.BACKGROUND)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query))
    )
    if decimals is not None:
        panel.decimals(decimals)
    if thresholds is None:
        color = dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("blue")
        return panel.color_scheme(color)
    return panel.thresholds(thresholds.built())


def latency_map(title: str, description: str, expression: str) -> heatmap.Panel:
    """Build a heat map of durations: darker cells are more requests."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .calculate(False)  # noqa: FBT003 - its only form; the buckets are Prometheus's
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit("s"))
        .cell_values(heatmap.CellValues().unit("reqps").decimals(1))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_legend()
        .with_target(_target(Query(expression, "{{le}}")).format(PromQueryFormat.HEATMAP))
    )


def _target(query: Query) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expression)
        .legend_format(query.legend)
        .ref_id("A")
        .datasource(DATASOURCE)
    )
