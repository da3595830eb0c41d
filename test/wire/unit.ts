/** A unit for tests: opens wires and answers over stdin and stdout, one JSON value per line. */
import { createInterface } from 'node:readline';
import { HeadgateError } from '../../src/core/base/error.ts';
import {
  type EngineOptions,
  type EngineTables,
  openWires,
  type WireEngine,
} from '../../src/engine/index.ts';

type Request =
  | { readonly open: EngineOptions }
  | { readonly publish: EngineTables }
  | { readonly snapshot: true }
  | { readonly networks: true };

let engine: WireEngine | undefined;

process.once('SIGTERM', () => {
  engine?.close();
  process.exit(0);
});

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
engine?.close();

function answer(request: Request): unknown {
  try {
    if ('open' in request) {
      engine = openWires(request.open);
      return { value: engine.findings };
    }
    if (!engine) return { error: { code: 'not_open', message: 'open comes first' } };
    if ('publish' in request) {
      engine.publish(request.publish);
      return { value: true };
    }
    if ('networks' in request) return { value: engine.networks() };
    return { value: engine.snapshot() };
  } catch (error) {
    const code = error instanceof HeadgateError ? error.code : 'unexpected';
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}
