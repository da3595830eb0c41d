import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { loadSettings } from '../../../src/core/settings/index.ts';
import { settingsSchema } from '../../../src/core/settings/schema.ts';
import { keysOfSchema, keysOfValue } from '../../support/settings-keys.ts';

const text = readFileSync('scripts/packaging/headgate.yaml', 'utf8');
/** With every setting that is not in force put into force. */
const whole = text.replaceAll(/^#(?!#)/gm, '');

/** Keys that exclude one that is shown: named in an explanation instead. */
const alternatives: Readonly<Record<string, RegExp>> = {
  'blocks[].prefix': /blocks: \[.*\{ prefix: /,
  'blocks[].group': /blocks: \[.*group: web/,
  'cluster.nkey': /or nkey: a file/,
  'rpki.vrps': /Or vrps: a file/,
  'notices.webhook.url': /Or url: the address/,
};

t.test('the example is right as it is, and with everything in it put into force', async (t) => {
  for (const [name, yaml] of [
    ['as it is', text],
    ['whole', whole],
  ] as const) {
    const loaded = loadSettings(yaml, 'headgate.yaml');
    t.ok(loaded.ok, `${name}: ${loaded.ok ? '' : JSON.stringify(loaded.error)}`);
  }
  t.match(loadSettings(text, 'headgate.yaml'), { ok: true, value: { mode: 'observe' } });
});

t.test('every key of the settings is in the example, and no other', async (t) => {
  const shown = new Set([...keysOfValue(parse(whole)), ...Object.keys(alternatives)]);
  // What a person names themselves: currencies, actions.
  const free = /^(currencies\.rates\.|provider_communities\[\]\.actions\.)/;
  const known = keysOfSchema(settingsSchema);
  t.same(
    [...known].filter((key) => !shown.has(key)),
    [],
    'missing in scripts/packaging/headgate.yaml',
  );
  t.same(
    [...shown].filter((key) => !known.has(key) && !free.test(key)),
    [],
    'unknown to the schema',
  );
  for (const [key, pattern] of Object.entries(alternatives)) t.match(text, pattern, key);
});

t.test('every key of the example is explained', async (t) => {
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('##') || !/^#?\s*(- )?(\{ )?[a-z_0-9]+:/.test(line)) continue;
    const hasRemark = / # \S/.test(line);
    const opensSection = /^#?\s*(- )?[a-z_]+:\s*$/.test(line);
    const isUnderHead = lines.slice(Math.max(0, i - 4), i).some((above) => /^\s*##/.test(above));
    t.ok(hasRemark || opensSection || isUnderHead || isPlain(line), `${i + 1}: ${line}`);
  }
});

/** A name or a path says itself what it is. */
const isPlain = (line: string) =>
  /^#?\s*(- )?(name|path|socket|version|interface|address|asn|capacity|router|listen|port|attribute|place): \S+/.test(
    line,
  );
