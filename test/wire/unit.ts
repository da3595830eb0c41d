/** A unit for tests: opens wires and answers over stdin and stdout, one JSON value per line. */
import { createInterface } from 'node:readline';
import { HeadgateError } from '../../src/core/base/error.ts';
import { whole } from '../../src/core/base/slices.ts';
import { type PrefixText, prefixText } from '../../src/core/base/units.ts';
import {
  type EngineOptions,
  type EngineTables,
  openWires,
  type WireEngine,
} from '../../src/engine/index.ts';

type Request =
  | { readonly open: EngineOptions; readonly destinations?: number }
  | { readonly publish: EngineTables }
  | { readonly readjust: Pick<EngineTables, 'otherwise' | 'down'> }
  | { readonly snapshot: true }
  | { readonly networks: true }
  | { readonly blockRtts: readonly PrefixText[] };

let engine: WireEngine | undefined;

process.once('SIGTERM', () => {
  engine?.close();
  process.exit(0);
});

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
engine?.close();

/** Most behind 10.128.0.0/9, where the generator sends; the lengths of a full Internet table lie around /24. */
function withDestinations(tables: EngineTables, count: number): EngineTables {
  const link = tables.links[0]?.link;
  if (link === undefined) return tables;
  const destinations = Array.from({ length: count }, (_, i) => {
    const length = i < 32_768 ? 24 : i % 7 === 0 ? 23 : 24;
    const at = i < 32_768 ? (10 << 16) + (128 << 8) + i : (11 << 16) + (i - 32_768) * 2;
    return {
      prefix: prefixText(
        `${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255 & (length === 23 ? 254 : 255)}.0/${length}`,
      ),
      link,
    };
  });
  return { ...tables, destinations };
}

async function answer(request: Request): Promise<unknown> {
  try {
    if ('open' in request) {
      const { open, destinations } = request;
      engine = openWires(
        destinations === undefined
          ? open
          : { ...open, tables: withDestinations(open.tables, destinations) },
      );
      return { value: engine.findings };
    }
    if (!engine) return { error: { code: 'not_open', message: 'open comes first' } };
    if ('publish' in request) {
      engine.publish(request.publish);
      return { value: true };
    }
    if ('readjust' in request) {
      await engine.readjust(request.readjust);
      return { value: true };
    }
    if ('blockRtts' in request) {
      // Of an hour: all that the test has sent.
      const rtts = whole(engine.blockRtts(3_600_000));
      return { value: request.blockRtts.map((block) => rtts.of(block) ?? null) };
    }
    if ('networks' in request) return { value: engine.networks() };
    return { value: engine.snapshot() };
  } catch (error) {
    const code = error instanceof HeadgateError ? error.code : 'unexpected';
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}
