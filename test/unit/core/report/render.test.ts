import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { type Report, renderReport } from '../../../../src/core/report/render.ts';
import { openMetricsListener } from '../../../../src/metrics/index.ts';
import { browserSkip, openBrowser } from '../../../support/browser.ts';
import { waitFor } from '../../../support/lab.ts';

const require = createRequire(import.meta.url);
const asset = (name: string) => readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
const assets = { chartScript: asset('uPlot.iife.min.js'), chartStyle: asset('uPlot.min.css') };

const start = Date.UTC(2026, 0, 1);
const times = Array.from({ length: 288 }, (_, i) => ms(start + i * 300_000));
const wave = (phase: number) => times.map((_, i) => 4e8 * (1 + Math.sin(i / 40 + phase)));
const link = (name: string, phase: number) => ({
  link: linkId(name),
  capacity: bitps(1e9),
  inbound: wave(phase),
  outbound: wave(phase + 1),
  retransmission: times.map((_, i) => (i % 50 === 0 ? null : 0.004)),
  lossRatio: times.map(() => 0.002),
  rttUs: times.map(() => 18_000),
  percentile: bitps(7e8),
  commit: bitps(5e8),
});
const report: Report = {
  unit: 'west',
  from: ms(start),
  to: ms(start + 86_400_000),
  times,
  links: [link('north', 0), link('south', 2)],
  moves: [
    {
      at: ms(start + 3_600_000),
      block: prefixText('198.51.100.0/24'),
      from: 'north',
      to: 'south',
      reason: 'north above 85 % <script>alert(1)</script>',
      outcome: 'worked',
    },
  ],
  rails: [{ rail: 'dwell', refused: 0, postponed: 12 }],
  bills: [{ link: linkId('north'), soFar: 'EUR 210.00', forecast: 'EUR 450.00' }],
};

t.test('the page needs no network and cannot be broken by what it shows', async (t) => {
  const html = renderReport(report, assets);
  t.notMatch(html, /(src|href)="(https?:)?\/\//);
  t.notMatch(html, /<script>alert/);
  t.match(html, '198.51.100.0/24');
  t.match(html, 'EUR 450.00');
});

t.test(
  'a browser draws every chart, light and dark, from a file and live, without a word of complaint',
  {
    skip: browserSkip,
    timeout: 120_000,
  },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hgreport-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const page = join(folder, 'report.html');
    writeFileSync(page, renderReport(report, assets));
    const live = renderReport(report, assets, 30);
    const listener = await openMetricsListener(
      { address: '127.0.0.1', port: 0 },
      new Registry(),
      async () => live,
    );
    t.teardown(() => listener.close());
    const browser = await openBrowser(1200, 900);
    t.teardown(() => browser.close());
    const file = `file://${page}`;
    const site = `http://127.0.0.1:${listener.port}/`;
    // Where a person wants to see them: HEADGATE_SCREENSHOTS=FOLDER.
    const kept = process.env.HEADGATE_SCREENSHOTS;
    const all = [
      ['report-light', file, 'light'],
      ['live-dark', site, 'dark'],
      ['report-dark', file, 'dark'],
      ['live-light', site, 'light'],
    ] as const;
    // Each look and each place once; every pair with --long.
    for (const [name, url, scheme] of process.env.HEADGATE_LONG === '1' ? all : all.slice(0, 2)) {
      await browser.open(url, scheme);
      t.match(await browser.evaluate('document.title'), /^headgate west/, name);
      // Load, retransmission and response time of two links.
      t.equal(await browser.evaluate('document.querySelectorAll("canvas").length'), 6, name);
      t.ok(Number(await browser.evaluate(drawn)) > 1000, `${name}: lines are drawn`);
      const paper = scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(23, 24, 27)';
      t.equal(
        await browser.evaluate('getComputedStyle(document.body).backgroundColor'),
        paper,
        name,
      );
      t.equal(await browser.evaluate('document.documentElement.scrollWidth > innerWidth'), false);
      t.match(await browser.evaluate(pointed), /198\.51\.100\.0\/24: north to south, north above/);
      const image = await browser.screenshot();
      if (kept !== undefined) writeFileSync(join(kept, `${name}.png`), image);
      t.ok(image.length > 20_000, `${name}: ${image.length} bytes of picture`);
    }
    t.same([...browser.problems], []);
    t.same([...new Set(browser.fetched)], [file, site], 'nothing else is loaded');
    await browser.evaluate('setTimeout(() => { throw new Error("on purpose"); }, 0)');
    await waitFor('an error is noticed', 30_000, () => browser.problems.length > 0);
  },
);

/** What is said of the move that the pointer is on. */
const pointed = `(() => {
  const over = document.querySelector('.u-over');
  const { left, top, width } = over.getBoundingClientRect();
  const clientX = left + (width * 3600) / 85800;
  for (const type of ['mouseenter', 'mousemove'])
    over.dispatchEvent(new MouseEvent(type, { clientX, clientY: top + 20, bubbles: true }));
  return new Promise((resolve) => setTimeout(() => resolve(document.querySelector('.near').textContent), 100));
})()`;

/** Pixels of the smallest number of any chart that are not empty. */
const drawn = `Math.min(...[...document.querySelectorAll('canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let set = 0;
  for (let i = 3; i < data.length; i += 4) if (data[i] > 0) set++;
  return set;
}))`;
