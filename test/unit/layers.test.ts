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

for (const [rule, from, to] of [
  ['core-is-pure', 'src/core/decide/plan.ts', 'src/speaker/index.ts'],
  ['base-stands-alone', 'src/core/base/bytes.ts', 'src/core/model/link.ts'],
  ['wire-knows-base-only', 'src/core/wire/bgp.ts', 'src/core/model/link.ts'],
  ['model-knows-base-only', 'src/core/model/link.ts', 'src/core/decide/plan.ts'],
  ['decide-knows-no-wire-format', 'src/core/decide/plan.ts', 'src/core/wire/bgp.ts'],
  ['siblings-never-import-each-other', 'src/speaker/index.ts', 'src/engine/index.ts'],
  ['nothing-imports-cli', 'src/daemon/unit.ts', 'src/cli/main.ts'],
  ['only-cli-imports-daemon', 'src/core/decide/plan.ts', 'src/daemon/unit.ts'],
] as const) {
  t.test(`${rule} refuses ${from} → ${to}`, async (t) => {
    const up = '../'.repeat(from.split('/').length - 1);
    t.match(brokenRules({ [from]: importing(`${up}${to}`), [to]: value }), rule);
  });
}

t.test('core may not import from Node, nor may files import in a circle', async (t) => {
  t.match(
    brokenRules({
      'src/core/base/bytes.ts': "import { readFileSync } from 'node:fs';\nreadFileSync('x');\n",
    }),
    'base-stands-alone',
  );
  const circle = {
    'src/speaker/a.ts': importing('./b.ts'),
    'src/speaker/b.ts': "import { other } from './a.ts';\nexport const value = other;\n",
  };
  t.match(brokenRules(circle), 'no-circular');
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
