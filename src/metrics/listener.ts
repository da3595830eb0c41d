import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { HeadgateError } from '../core/base/error.ts';

/** The page has all of itself in it: nothing else may be loaded, sent or framed. */
const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";

export interface MetricsListener {
  /** Where it really listens: port 0 asks for any free one. */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, with `page` that page at `/`, and nothing else; without authentication, for loopback or the
 * management address. Only reading: other methods are refused.
 */
export async function openMetricsListener(
  at: { readonly address: string; readonly port: number },
  registry: Registry,
  page?: () => Promise<string>,
): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    const show = path === '/metrics' ? () => registry.metrics() : path === '/' ? page : undefined;
    if (!show) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const isPage = path === '/';
    const headers = isPage
      ? { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': pagePolicy }
      : { 'content-type': registry.contentType };
    show().then(
      (text) => response.writeHead(200, headers).end(text),
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
