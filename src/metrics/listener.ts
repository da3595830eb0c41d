import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { HeadgateError } from '../core/base/error.ts';

export interface MetricsListener {
  /** Where it really listens: port 0 asks for any free one. */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Serves `/metrics` and nothing else, without authentication: for loopback or the management address. */
export async function openMetricsListener(
  at: { readonly address: string; readonly port: number },
  registry: Registry,
): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    if (request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) =>
        response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`),
    );
  });
  // A scraper that stalls must not keep the unit from stopping.
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new HeadgateError(
          'listen_failed',
          `cannot listen at ${at.address}:${at.port} for metrics: ${cause.message}; set metrics.listen to another address`,
          { cause },
        ),
      ),
    );
    server.listen(at.port, at.address, resolve);
  });
  // A cast: a server that listens on TCP has an AddressInfo.
  const bound = server.address() as AddressInfo;
  return {
    address: bound.address,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
