import { useState } from "preact/hooks";

// Small charts as SVG, each with a sentence and a table for those who do not see it.

export interface Point {
  readonly at: string;
  readonly values: readonly number[];
}

export interface Series {
  readonly name: string;
  readonly tone: string;
}

export interface ChartProps {
  readonly title: string;
  /** Drawn from the baseline up. */
  readonly series: readonly Series[];
  readonly points: readonly Point[];
  readonly timeText: (at: string) => string;
  readonly valueText?: (value: number) => string;
  readonly kind?: "bars" | "lines";
}

type Drawn = Required<ChartProps> & {
  /** The largest value that is drawn. */
  readonly top: number;
};

const [WIDTH, HEIGHT] = [480, 96];

export function Chart({ valueText = (value) => value.toLocaleString("en"), kind = "bars", ...props }: ChartProps) {
  const [isTable, setTable] = useState(false);
  const { points, series } = props;
  const tops = points.map(({ values }) =>
    kind === "bars" ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values),
  );
  const drawn: Drawn = { ...props, valueText, kind, top: Math.max(1, ...tops) };
  return (
    <figure class="stack tight">
      <div class="row small muted">
        {series.map(({ name, tone }) => (
          <span class="row tight" key={name}>
            <span class="dot" data-tone={tone} /> {name}
          </span>
        ))}
        <span class="grow" />
        <span>max {valueText(drawn.top)}</span>
        <button type="button" class="button plain small" aria-expanded={isTable} onClick={() => setTable(!isTable)}>
          {isTable ? "Chart" : "Table"}
        </button>
      </div>
      {isTable ? <Table {...drawn} /> : <Picture {...drawn} />}
    </figure>
  );
}

function Table({ title, series, points, timeText, valueText }: Drawn) {
  return (
    <div class="scrolled">
      <table class="table">
        <caption class="hidden-text">{title}</caption>
        <thead>
          <tr>
            <th>Time</th>
            {series.map(({ name }) => (
              <th class="right" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {points.map(({ at, values }) => (
            <tr key={at}>
              <td>{timeText(at)}</td>
              {values.map((value, index) => (
                <td class="right" key={index}>
                  {valueText(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Picture(drawn: Drawn) {
  const { title, series, points, valueText, kind, top } = drawn;
  const sums = series.map((_, at) => points.reduce((sum, { values }) => sum + (values[at] ?? 0), 0));
  const each = series.map(({ name }, at) => `${name} ${valueText(sums[at] ?? 0)}`).join(", ");
  const sentence = `${title}: ${kind === "bars" ? `${each}; ` : ""}at most ${valueText(top)}${kind === "bars" ? " at once" : ""}.`;
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={sentence}>
      <line class="axis" x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} vector-effect="non-scaling-stroke" />
      {kind === "bars" ? <Bars {...drawn} /> : <Lines {...drawn} />}
    </svg>
  );
}

function Bars({ series, points, timeText, valueText, top }: Drawn) {
  const slot = WIDTH / Math.max(1, points.length);
  const y = (value: number) => HEIGHT - (value / top) * HEIGHT;
  return (
    <>
      {points.map(({ at, values }, index) => {
        let base = 0;
        const tip = series.map(({ name }, n) => `${name} ${valueText(values[n] ?? 0)}`).join(", ");
        return (
          <g key={at}>
            <title>{`${timeText(at)}: ${tip}`}</title>
            <rect x={index * slot} y="0" width={slot} height={HEIGHT} fill="transparent" />
            {values.map((value, n) => {
              const from = base;
              base += value;
              return (
                <rect
                  key={n}
                  data-tone={series[n]?.tone}
                  x={index * slot + slot * 0.12}
                  width={slot * 0.76}
                  y={y(base)}
                  height={Math.max(value > 0 ? 1.5 : 0, y(from) - y(base))}
                  fill="var(--solid)"
                />
              );
            })}
          </g>
        );
      })}
    </>
  );
}

function Lines({ series, points, timeText, valueText, top }: Drawn) {
  const slot = WIDTH / Math.max(1, points.length);
  const x = (index: number) => index * slot + slot / 2;
  const y = (value: number) => HEIGHT - (value / top) * HEIGHT;
  return (
    <>
      {series.map(({ name, tone }, n) => (
        <polyline
          key={name}
          data-tone={tone}
          fill="none"
          stroke="var(--solid)"
          stroke-width="2"
          vector-effect="non-scaling-stroke"
          points={points.map(({ values }, index) => `${x(index)},${y(values[n] ?? 0)}`).join(" ")}
        />
      ))}
      {points.map(({ at, values }, index) => (
        <g key={at}>
          <title>{`${timeText(at)}: ${series.map(({ name }, n) => `${name} ${valueText(values[n] ?? 0)}`).join(", ")}`}</title>
          <rect x={index * slot} y="0" width={slot} height={HEIGHT} fill="transparent" />
        </g>
      ))}
    </>
  );
}
