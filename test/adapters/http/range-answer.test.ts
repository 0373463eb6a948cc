import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRangeAnswer, readErrorText } from '../../../src/adapters/http/range-answer.ts';
import { excerpt } from '../../../src/adapters/http/reply.ts';

const matrix = (result: unknown, more: object = {}) =>
  JSON.stringify({ status: 'success', data: { resultType: 'matrix', result }, ...more });

describe('an answer of query_range', () => {
  it('is read with its labels, times and values', () => {
    const text = matrix([
      {
        metric: { fqdn: 'h1' },
        values: [
          [1772334725.123, '0.5'],
          [1772334726, '1e-3'],
          [1, '-2'],
        ],
      },
    ]);
    expect(parseRangeAnswer(text)).toEqual({
      ok: true,
      value: {
        warnings: [],
        series: [
          {
            labels: { fqdn: 'h1' },
            samples: [
              { at: 1772334725123, value: 0.5 },
              { at: 1772334726000, value: 0.001 },
              { at: 1000, value: -2 },
            ],
          },
        ],
      },
    });
  });

  it('keeps warnings and leaves infos out', () => {
    const text = matrix([], { warnings: ['store x: gone'], infos: ['metric might not be a counter'] });
    expect(parseRangeAnswer(text)).toMatchObject({ ok: true, value: { warnings: ['store x: gone'] } });
  });

  it('that is an error under status 200 is rejected with its own words', () => {
    const text = JSON.stringify({ status: 'error', errorType: 'bad_data', error: 'no such thing' });
    expect(parseRangeAnswer(text)).toEqual({
      ok: false,
      error: { kind: 'rejected', message: 'bad_data: no such thing' },
    });
  });

  it.each([
    ['nothing', '', /an empty body/],
    ['half of one', matrix([{ metric: {}, values: [[1, '2']] }]).slice(0, -9), /no JSON object/],
    ['an HTML page', '<!DOCTYPE html><html><title>Sign in</title></html>', /an HTML page \("Sign in"\)/],
    ['a list', '[]', /no JSON object/],
    ['null', 'null', /no JSON object/],
    ['another status', '{"status":"ok"}', /status is "ok"/],
    ['no data', '{"status":"success"}', /data is missing/],
    ['a vector', '{"status":"success","data":{"resultType":"vector","result":[]}}', /resultType is "vector"/],
    ['no list of series', matrix({}), /result is \{\}/],
    ['warnings that are a text', matrix([], { warnings: 'x' }), /warnings is "x"/],
    ['a series that is a text', matrix(['x']), /a series is "x"/],
    ['a series without labels', matrix([{ values: [] }]), /metric is missing/],
    ['a label that is a number', matrix([{ metric: { a: 1 }, values: [] }]), /label a is 1/],
    ['a series without values', matrix([{ metric: {} }]), /values is missing/],
    ['a histogram', matrix([{ metric: {}, histograms: [] }]), /native histogram/],
    ['a sample without value', matrix([{ metric: {}, values: [[1]] }]), /a sample is \[1\]/],
    ['a sample with a bare number', matrix([{ metric: {}, values: [[1, 2]] }]), /a sample is \[1,2\]/],
    ['a sample with an empty text', matrix([{ metric: {}, values: [[1, '']] }]), /a sample is \[1,""\]/],
    ['a sample with a hex number', matrix([{ metric: {}, values: [[1, '0x10']] }]), /a sample is/],
    ['a sample whose time is a text', matrix([{ metric: {}, values: [['1', '2']] }]), /a sample is/],
  ])('that is %s is not understood', (_, text, message) => {
    const read = parseRangeAnswer(text);
    expect(read).toMatchObject({ ok: false, error: { kind: 'invalid-answer' } });
    expect(read.ok ? '' : read.error.message).toMatch(message);
  });

  it('for any text: never throws, and cut anywhere is never an answer', () => {
    const kinds = ['rejected', 'invalid-answer'];
    const refused = (text: string) => {
      const read = parseRangeAnswer(text);
      expect(read.ok ? 'an answer' : read.error.kind).toSatisfy((kind) => kinds.includes(kind as string));
    };
    fc.assert(fc.property(fc.string(), refused));
    const whole = matrix([{ metric: { fqdn: 'h1' }, values: [[1, '2']] }]);
    fc.assert(fc.property(fc.nat(whole.length - 1), (end) => refused(whole.slice(0, end))));
  });
});

describe('an error answer', () => {
  it('gives Prometheus own words, or nothing', () => {
    expect(readErrorText('{"status":"error","errorType":"bad_data","error":"1:5: parse error"}')).toBe(
      'bad_data: 1:5: parse error',
    );
    expect(readErrorText('<html>')).toBeUndefined();
  });

  it('is shown short and on one line', () => {
    expect(excerpt(`a\n${'b'.repeat(500)}`).length).toBeLessThan(130);
  });
});
