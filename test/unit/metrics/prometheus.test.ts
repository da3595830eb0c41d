/** What goes into Prometheus and Grafana beside the metrics themselves: rules that bite, queries of what there is. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { readings } from '../../../src/daemon/face/families.ts';

const folder = 'scripts/packaging/prometheus';
const read = (name: string) => readFileSync(`${folder}/${name}`, 'utf8');

interface Rules {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{
      readonly alert?: string;
      readonly record?: string;
      readonly expr: string;
    }>;
  }>;
}
// A cast: the file is ours, and promtool checks its form below.
const rules = (parse(read('headgate.rules.yaml')) as Rules).groups.flatMap((group) => group.rules);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets: ReadonlyArray<{ readonly expr: string; readonly refId: string }>;
}
interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string }> };
}
// A cast: every field that is used is judged below.
const dashboard = JSON.parse(read('headgate.dashboard.json')) as Dashboard;
const queries = dashboard.panels.flatMap((panel) => panel.targets.map(({ expr }) => expr));

const promtool = (...args: readonly string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
const skip = promtool('--version').status === 0 ? false : 'promtool is not installed';

t.test('rules and dashboard ask for metrics that there are, by labels that they have', (t) => {
  const labels = new Map(readings.map((reading) => [reading.name, reading.labels]));
  const recorded = new Set(rules.map((rule) => rule.record));
  // Those of the process come from prom-client, those that Prometheus makes from itself.
  const foreign = /^(headgate_process_|headgate_nodejs_)/;
  for (const expr of [...rules.map((rule) => rule.expr), ...queries]) {
    for (const [, name = '', matchers = ''] of expr.matchAll(
      /(headgate[_:][\w:]+)(?:\{([^}]*)\})?/g,
    )) {
      if (foreign.test(name) || recorded.has(name)) continue;
      const family = name.replace(/_(bucket|sum|count)$/, '');
      t.ok(labels.has(family), `${name} exists`);
      for (const [, label = ''] of matchers.matchAll(/(\w+)\s*(?:=~|!=|!~|=)/g)) {
        t.ok(
          ['instance', 'job', ...(labels.get(family) ?? [])].includes(label),
          `${name}{${label}}`,
        );
      }
    }
  }
  t.end();
});

t.test('the dashboard is one that Grafana takes', { skip }, (t) => {
  t.match(dashboard, { uid: 'headgate', title: 'headgate', schemaVersion: Number });
  const { panels } = dashboard;
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'every panel has its own id');
  for (const panel of panels) {
    const { x, y, w, h } = panel.gridPos;
    t.ok(x >= 0 && w > 0 && x + w <= 24 && h > 0, `${panel.title} is on the grid`);
    const over = panels.filter(
      ({ id, gridPos: o }) =>
        id !== panel.id && x < o.x + o.w && o.x < x + w && y < o.y + o.h && o.y < y + h,
    );
    t.same(over, [], `${panel.title} covers no other`);
    t.match(panel.type, /^(stat|timeseries)$/);
    t.equal(new Set(panel.targets.map(({ refId }) => refId)).size, panel.targets.length);
  }
  const variables = new Set(dashboard.templating.list.map(({ name }) => name));
  for (const [, name = ''] of JSON.stringify(panels).matchAll(/\$\{?(\w+)\}?/g)) {
    t.ok(variables.has(name), `$${name} is a variable`);
  }
  // As rules, so that Prometheus itself reads each query.
  const place = mkdtempSync(join(tmpdir(), 'hg-dashboard-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const file = join(place, 'queries.yaml');
  const asRules = (all: readonly string[]) => {
    const group = all.map((expr, i) => ({
      record: `query:${i}`,
      expr: expr.replaceAll('$instance', 'x'),
    }));
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules: group }] }));
    return promtool('check', 'rules', file);
  };
  const verdict = asRules(queries);
  t.equal(verdict.status, 0, verdict.stderr);
  t.not(asRules([...queries, 'rate(']).status, 0, 'and it can find fault');
  t.end();
});

/** Grafana's own schema, as the types that it publishes of it. */
const schema = resolve('node_modules/@grafana/schema/dist/types');
t.test(
  'the dashboard, its panels and its queries are valid against Grafana’s schema',
  { skip: existsSync(schema) ? false : '@grafana/schema is not installed' },
  (t) => {
    const place = mkdtempSync(join(tmpdir(), 'hg-schema-'));
    t.teardown(() => rmSync(place, { recursive: true, force: true }));
    // And it can find fault, at every depth.
    const [panel, ...rest] = dashboard.panels;
    const [variable] = dashboard.templating.list;
    const wrong = [
      { ...dashboard, schemaVersion: '39' },
      { ...dashboard, colour: 'blue' },
      { ...dashboard, panels: [{ ...panel, gridPos: { x: 0, y: 0, w: 'wide', h: 1 } }, ...rest] },
      { ...dashboard, panels: [{ ...panel, options: { graphMode: 'lots' } }, ...rest] },
      { ...dashboard, templating: { list: [{ ...variable, current: {} }] } },
    ];
    const said = compile(place, [dashboard, ...wrong]);
    t.same([...new Set(said.map(({ value }) => value))], [1, 2, 3, 4, 5], JSON.stringify(said));
    t.end();
  },
);

/** What the compiler says of dashboards as values of the schema's types; each error with the number of its value. */
function compile(place: string, values: readonly object[]) {
  const panelOf = (type: string) => `${schema}/raw/composable/${type}/panelcfg/x/types.gen.js`;
  const head = `import type { Dashboard, Panel } from '${schema}/index.js';
import type { Options as Stat } from '${panelOf('stat')}';
import type { FieldConfig, Options as TimeSeries } from '${panelOf('timeseries')}';
// Enumerations by their values, as JSON has them.
type Plain<T> = T extends string ? \`\${T}\` : T extends number ? number
  : T extends readonly (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Fields = NonNullable<Plain<Panel>['fieldConfig']>;
type Of<Type, Options, Custom> = Omit<Plain<Panel>, 'type' | 'options' | 'fieldConfig'> & {
  type: Type;
  options: Partial<Plain<Options>>;
  fieldConfig: Omit<Fields, 'defaults'> & {
    defaults: Omit<Fields['defaults'], 'custom'> & { custom?: Partial<Plain<Custom>> };
  };
};
type Ours = Omit<Plain<Dashboard>, 'panels'> & {
  panels: (Of<'stat', Stat, object> | Of<'timeseries', TimeSeries, FieldConfig>)[];
};
`;
  const lines = values.map((value, i) => `export const d${i}: Ours = ${JSON.stringify(value)};`);
  writeFileSync(join(place, 'dashboard.ts'), head + lines.join('\n'));
  const modules = { module: 'nodenext', moduleResolution: 'nodenext' };
  const compilerOptions = { strict: true, noEmit: true, skipLibCheck: true, types: [], ...modules };
  writeFileSync(
    join(place, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['dashboard.ts'] }),
  );
  const { stdout } = spawnSync('node_modules/.bin/tsc', ['-p', place], { encoding: 'utf8' });
  const first = head.split('\n').length;
  return [...stdout.matchAll(/\((\d+),\d+\): (error .*)/g)].map(([, line, error]) => ({
    value: Number(line) - first,
    error,
  }));
}

t.test('every rule is right, and every alert bites when it should', { skip }, (t) => {
  const checked = promtool('check', 'rules', `${folder}/headgate.rules.yaml`);
  t.equal(checked.status, 0, checked.stderr);
  const tested = promtool('test', 'rules', `${folder}/headgate.rules.test.yaml`);
  t.equal(tested.status, 0, tested.stdout + tested.stderr);
  const text = read('headgate.rules.test.yaml');
  for (const { alert, record } of rules) {
    const name = alert ?? record ?? '';
    if (name === 'headgate:link_load_ratio:max') continue; // by the alert that reads it
    t.ok(text.includes(name), `${name} has a test`);
  }
  t.end();
});
