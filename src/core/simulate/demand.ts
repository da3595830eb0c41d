import { normal, type Random } from './random.ts';

/** 5-minute samples per day and week. */
export const samplesPerDay = 288;
export const samplesPerWeek = 7 * samplesPerDay;

/** The numbers by which a series is judged to look like real transit traffic. */
export interface DemandStatistics {
  readonly p95OverMean: number;
  readonly p90OverP95: number;
  readonly p80OverP95: number;
  readonly peakOverP95: number;
  readonly lag1: number;
  readonly day: number;
  readonly week: number;
  /** Median relative error of predicting each sample by the one before. */
  readonly lastValueError: number;
}

/**
 * Traffic of one point of presence in 5-minute samples, mean near `mean`. Fitted to the medians over the points of
 * presence of two weeks of Abilene (2004): a daily and weekly rhythm, slow and fast noise, surges of hours, and a
 * level that differs between weeks.
 */
export function generateDemand(random: Random, samples: number, mean = 1000): Float64Array {
  const series = new Float64Array(samples);
  const dayDepth = 0.22 + 0.16 * random();
  const weekendDip = 0.02 + 0.16 * random();
  const peakHour = random();
  const surgesPerDay = 0.2 + 0.6 * random();
  let slow = 0;
  let fast = 0;
  let level = 0;
  let surge = 0;
  let surgeLeft = 0;
  for (let i = 0; i < samples; i++) {
    if (i % samplesPerWeek === 0) level = 0.06 * normal(random);
    // Relaxation over half a day and over half an hour.
    slow = 0.993 * slow + 0.1 * Math.sqrt(1 - 0.993 ** 2) * normal(random);
    fast = 0.8 * fast + 0.1 * Math.sqrt(1 - 0.8 ** 2) * normal(random);
    if (surgeLeft === 0 && random() < surgesPerDay / samplesPerDay) {
      surge = 0.1 + 0.2 * random() ** 2;
      surgeLeft = 2 + Math.floor(28 * random());
    }
    const timeOfDay = (i % samplesPerDay) / samplesPerDay;
    const weekday = Math.floor(i / samplesPerDay) % 7;
    const rhythm = dayDepth * Math.sin(2 * Math.PI * (timeOfDay - peakHour));
    const weekend = weekday >= 5 ? -weekendDip : 0;
    const extra = surgeLeft > 0 ? surge : 0;
    if (surgeLeft > 0) surgeLeft--;
    series[i] = mean * Math.exp(rhythm + weekend + level + slow + fast + extra);
  }
  return series;
}

export function describeDemand(series: Float64Array): DemandStatistics {
  const sorted = Float64Array.from(series).sort();
  const quantile = (q: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
  const mean = series.reduce((a, b) => a + b, 0) / series.length;
  const errors = new Float64Array(series.length - 1);
  for (let i = 1; i < series.length; i++)
    errors[i - 1] = Math.abs((series[i] ?? 0) - (series[i - 1] ?? 0)) / (series[i] ?? 1);
  errors.sort();
  const p95 = quantile(0.95);
  return {
    p95OverMean: p95 / mean,
    p90OverP95: quantile(0.9) / p95,
    p80OverP95: quantile(0.8) / p95,
    peakOverP95: (sorted.at(-1) ?? 0) / p95,
    lag1: autocorrelation(series, mean, 1),
    day: autocorrelation(series, mean, samplesPerDay),
    week: autocorrelation(series, mean, samplesPerWeek),
    lastValueError: errors[errors.length >> 1] ?? 0,
  };
}

function autocorrelation(series: Float64Array, mean: number, lag: number): number {
  let covariance = 0;
  let variance = 0;
  for (let i = 0; i < series.length; i++) {
    const here = (series[i] ?? 0) - mean;
    variance += here * here;
    if (i >= lag) covariance += here * ((series[i - lag] ?? 0) - mean);
  }
  return (covariance / variance) * (series.length / (series.length - lag));
}
