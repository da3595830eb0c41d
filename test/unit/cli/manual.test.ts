import { readFileSync } from 'node:fs';
import t from 'tap';
import { loadSettings } from '../../../src/core/settings/index.ts';

/** The first YAML block of the manual: what a new user copies. */
function settingsOfManual(): string {
  const block = /```yaml\n(.*?)```/s.exec(readFileSync('README.md', 'utf8'))?.[1];
  if (block === undefined) throw new Error('README.md shows no settings');
  return block;
}

t.test('the settings that the manual and the package show are right as printed', async (t) => {
  for (const [name, text] of [
    ['README.md', settingsOfManual()],
    ['headgate.yaml', readFileSync('scripts/packaging/headgate.yaml', 'utf8')],
  ] as const) {
    const loaded = loadSettings(text, name);
    t.match(loaded, { ok: true }, name);
    if (!loaded.ok) continue;
    const { mode, management, routers } = loaded.value;
    t.equal(mode, 'observe', 'a new installation announces nothing');
    t.ok(management.address, 'router-config needs our end of the session');
    t.ok(
      routers.every((router) => router.bgp),
      'the unit holds a session with each router',
    );
  }
});

t.test('every command that the manual names exists', async (t) => {
  const named = [
    ...readFileSync('README.md', 'utf8').matchAll(/(?:scripts\/)?headgate ([a-z][a-z-]+)/g),
  ].map((m) => m[1] ?? '');
  const files = new Set(['status', 'run', ...new Set(named)]);
  // Words that follow the name in a sentence.
  const prose = new Set(['is', 'does', 'in-line', 'measures', 'unit', 'from', 'goes']);
  for (const name of files) {
    if (prose.has(name)) continue;
    t.doesNotThrow(() => readFileSync(`src/cli/${name}.ts`), name);
  }
});
