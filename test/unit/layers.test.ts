/** Proves that the layering and purity checks can fail: each rule is shown a small tree that breaks it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';

t.setTimeout(120_000);

const tool = (name: string) => resolve('node_modules/.bin', name);

function makeTree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'hglayers-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function brokenRules(files: Readonly<Record<string, string>>): string {
  const args = ['--config', resolve('.dependency-cruiser.json'), 'src'];
  const run = spawnSync(tool('depcruise'), args, { cwd: makeTree(files), encoding: 'utf8' });
  return run.status === 0 ? 'none' : run.stdout;
}

const value = 'export const value = 1;\n';
const importing = (path: string) =>
  `import { value } from '${path}';\nexport const other = value;\n`;

/** Each in files of its own, so that one run of the tool tells of all. */
const breaches = (
  [
    ['core-is-pure', 'src/core/decide', 'src/speaker'],
    ['base-stands-alone', 'src/core/base', 'src/core/model'],
    ['wire-knows-base-only', 'src/core/wire', 'src/core/model'],
    ['model-knows-base-only', 'src/core/model', 'src/core/decide'],
    ['decide-knows-no-wire-format', 'src/core/decide', 'src/core/wire'],
    ['siblings-never-import-each-other', 'src/speaker', 'src/engine'],
    ['nothing-imports-cli', 'src/daemon', 'src/cli'],
    ['only-cli-imports-daemon', 'src/core/decide', 'src/daemon'],
  ] as const
).map(([rule, from, to]) => ({ rule, from: `${from}/${rule}.ts`, to: `${to}/${rule}-told.ts` }));

const told = brokenRules({
  ...Object.fromEntries(
    breaches.flatMap(({ from, to }) => [
      [from, importing(`${'../'.repeat(from.split('/').length - 1)}${to}`)],
      [to, value],
    ]),
  ),
  'src/core/base/node.ts': "import { readFileSync } from 'node:fs';\nreadFileSync('x');\n",
  'src/speaker/a.ts': importing('./b.ts'),
  'src/speaker/b.ts': "import { other } from './a.ts';\nexport const value = other;\n",
}).split('\n');

for (const { rule, from, to } of breaches) {
  t.test(`${rule} refuses ${from} → ${to}`, async (t) => {
    t.ok(
      told.some((line) => line.includes(` ${rule}: ${from} → ${to}`)),
      told.join('\n'),
    );
  });
}

t.test('core may not import from Node, nor may files import in a circle', async (t) => {
  const circle = ' no-circular: src/speaker/a.ts';
  for (const words of [' base-stands-alone: src/core/base/node.ts → fs', circle])
    t.ok(
      told.some((line) => line.includes(words)),
      told.join('\n'),
    );
});

t.test('a tree that keeps the rules passes', async (t) => {
  t.equal(
    brokenRules({
      'src/daemon/unit.ts': importing('../speaker/index.ts'),
      'src/speaker/index.ts': value,
    }),
    'none',
  );
});

t.test(
  'core compiles what is pure, and nothing with a timer, a console or a Node type',
  async (t) => {
    const compile = (line: string) => {
      const root = makeTree({
        'tsconfig.json': JSON.stringify({
          extends: resolve('src/core/tsconfig.json'),
          compilerOptions: { rootDir: '.' },
          include: ['.'],
        }),
        'file.ts': `${line}\nexport {};\n`,
        'package.json': '{ "type": "module" }',
      });
      return spawnSync(tool('tsc'), ['-p', root]).status === 0;
    };
    t.ok(compile('export const pure = 1;'));
    for (const line of [
      'setTimeout(() => {}, 1);',
      "console.log('x');",
      'export const b: Buffer | undefined = undefined;',
    ]) {
      t.notOk(compile(line), line);
    }
  },
);
