/**
 * Wire fixtures: one message per text file. Lines `key: value` (origin, note, context), then `--- hex` with
 * one field per line (`hex digits   # what it is`), then `--- json` with the decoded value.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface WireFixture {
  readonly name: string;
  readonly origin: string;
  readonly note: string;
  /** JSON that says how the message is to be read, where it matters. */
  readonly context: Readonly<Record<string, unknown>>;
  readonly bytes: Uint8Array;
  readonly json: unknown;
}

/** From dist/test/support to test/fixtures of the checkout. */
const root = fileURLToPath(new URL('../../../test/fixtures/', import.meta.url));

export function readWireFixtures(folder: string): readonly WireFixture[] {
  return readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .map((file) => parseFixture(file.slice(0, -4), readFileSync(join(root, folder, file), 'utf8')));
}

function parseFixture(name: string, text: string): WireFixture {
  const [head = '', rest = ''] = text.split('--- hex\n');
  const [hex = '', json = ''] = rest.split('--- json\n');
  const fields = new Map(
    head
      .trim()
      .split('\n')
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
      }),
  );
  const digits = hex
    .split('\n')
    .map((line) => line.split('#')[0] ?? '')
    .join('')
    .replaceAll(/\s/g, '');
  const context: unknown = JSON.parse(fields.get('context') ?? '{}');
  return {
    name,
    origin: fields.get('origin') ?? '',
    note: fields.get('note') ?? '',
    // The cast: fixtures are ours, and an object is what they write there.
    context: context as Record<string, unknown>,
    bytes: Uint8Array.from(digits.match(/../g) ?? [], (octet) => Number.parseInt(octet, 16)),
    json: JSON.parse(json || 'null'),
  };
}
