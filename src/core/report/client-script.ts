/** Runs in the reader's browser: draws the charts from the report's own JSON. Plain DOM, nothing fetched. */
export const clientScript = `
'use strict';
const report = JSON.parse(document.getElementById('report').textContent);
const seconds = report.times.map((ms) => ms / 1000);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rate = (v) => v == null ? '–' : v >= 1e9 ? (v / 1e9).toFixed(2) + ' Gbit/s' : v >= 1e6 ? (v / 1e6).toFixed(1) + ' Mbit/s' : (v / 1e3).toFixed(0) + ' kbit/s';
const flat = (value) => seconds.map(() => value);

const clock = (ms) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');

/** Each move as a line in the chart; those under the pointer with their reasons below it. */
function moveMarks(link, note) {
  const moves = report.moves.filter((m) => m.from === link || m.to === link);
  return {
    hooks: {
      setCursor: (u) => {
        const near = moves.filter((m) => Math.abs(u.valToPos(m.at / 1000, 'x') - u.cursor.left) <= 6);
        const lines = near.slice(0, 3).map((m) => clock(m.at) + ' ' + m.block + ': ' + m.from + ' to ' + m.to + ', ' + m.reason + ' (' + m.outcome + ')');
        note.textContent = lines.join('; ') + (near.length > 3 ? '; and ' + (near.length - 3) + ' more' : '');
      },
      draw: (u) => {
        const { ctx, bbox } = u;
        ctx.save();
        for (const move of moves) {
          const x = Math.round(u.valToPos(move.at / 1000, 'x', true));
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.strokeStyle = css(move.to === link ? '--arrive' : '--leave');
          ctx.setLineDash([4, 3]);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  };
}

function chart(host, title, series, data, format, plugins) {
  const axis = { stroke: css('--text'), grid: { stroke: css('--grid') }, ticks: { stroke: css('--grid') } };
  return new uPlot({
    title,
    width: host.clientWidth,
    height: 220,
    tzDate: (t) => uPlot.tzDate(new Date(t * 1000), 'Etc/UTC'),
    fmtDate: (template) => uPlot.fmtDate(template.replace('{h}{aa}', '{HH}:{mm}').replace('{h}:{mm}{aa}', '{HH}:{mm}')
      .replace('{M}/{D}/{YY}', '{YYYY}-{MM}-{DD}').replace('{M}/{D}', '{MM}-{DD}')),
    scales: { y: { range: (u, min, max) => [0, Math.max(max * 1.05, 1e-9)] } },
    axes: [axis, { ...axis, size: 90, values: (u, values) => values.map(format) }],
    series: [{}, ...series.map((s) => ({ width: 1.5, value: (u, v) => format(v), ...s }))],
    plugins,
  }, data, host);
}

function draw() {
  for (const link of report.links) {
    const host = document.getElementById('link-' + link.link);
    host.replaceChildren();
    const series = [
      { label: 'inbound', stroke: css('--in') },
      { label: 'outbound', stroke: css('--out') },
      { label: 'capacity', stroke: css('--limit') },
    ];
    const data = [seconds, link.inbound, link.outbound, flat(link.capacity)];
    for (const [label, value, colour] of [['charged percentile', link.percentile, '--leave'], ['commit', link.commit, '--arrive']]) {
      if (value === undefined) continue;
      series.push({ label, stroke: css(colour), dash: [6, 4] });
      data.push(flat(value));
    }
    const note = document.createElement('p');
    note.className = 'near';
    chart(host, link.link + ': load', series, data, rate, [moveMarks(link.link, note)]);
    host.append(note);
    chart(host, link.link + ': loss', [{ label: 'retransmitted', stroke: css('--leave') }, { label: 'lost probes', stroke: css('--limit') }],
      [seconds, link.retransmission, link.lossRatio], (v) => v == null ? '–' : (100 * v).toFixed(2) + ' %', []);
    chart(host, link.link + ': response time', [{ label: 'median', stroke: css('--in') }],
      [seconds, link.rttUs], (v) => v == null ? '–' : (v / 1000).toFixed(1) + ' ms', []);
  }
}
draw();
let pending;
addEventListener('resize', () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(draw); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
`;
