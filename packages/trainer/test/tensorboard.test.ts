import { crc32c, encodeEvent, encodeFileVersion } from '@clipgstream/trainer'
import { describe, expect, it } from 'vitest'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('crc32c', () => {
  it('equals the vectors of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  })
})

describe('event files', () => {
  it('open with the version record that TensorFlow writes', () => {
    const bytes = encodeFileVersion(1)
    expect(hex(bytes.subarray(0, 12))).toBe('1800000000000000a37f4b22')
    expect(hex(bytes.subarray(12, 36))).toBe('09000000000000f03f1a0d627261696e2e4576656e743a32')
    expect(bytes).toHaveLength(40)
  })

  it('hold scalars and images as protobuf', () => {
    const bytes = encodeEvent({
      wallTime: 2,
      step: 300,
      scalars: { 'a/b': 0.5 },
      images: [{ tag: 'i', width: 200, height: 2, png: Uint8Array.of(1, 2) }],
    })
    const data = bytes.subarray(12, bytes.length - 4)
    expect(hex(data)).toBe(
      '090000000000000040' + // wall_time 2
        '10ac02' + // step 300
        `2a${(12 + 18).toString(16)}` +
        '0a0a' + // value
        '0a03612f62150000003f' +
        '0a10' +
        '0a0169' + // tag i
        '220b' + // image
        '080210c8011803' + // height 2, width 200, colorspace 3
        '22020102',
    )
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true))).toBe(data.length)
  })
})
