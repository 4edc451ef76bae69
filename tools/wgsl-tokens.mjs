// The tokens of WGSL and a reader that goes through them.

/**
 * @typedef {{ name: string, args: string[] }} Attribute
 * @typedef {{ name: string, args: Type[], length?: string[] }} Type
 */

export class WgslError extends Error {}

/** @param {string} code */
export function tokenize(code) {
  let text = code.replace(/\/\/[^\n]*/g, ' ')
  // Block comments nest.
  while (/\/\*/.test(text)) {
    const shorter = text.replace(/\/\*(?:(?!\/\*|\*\/)[\s\S])*\*\//g, ' ')
    if (shorter === text) throw new WgslError('a comment is not closed')
    text = shorter
  }
  return text.match(/[A-Za-z_]\w*|0[xX][\da-fA-F]+[iu]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fhiu]?|[^\s\w]/g) ?? []
}

export class Reader {
  at = 0

  /** @param {readonly string[]} tokens */
  constructor(tokens) {
    this.tokens = tokens
  }

  get next() {
    return this.tokens[this.at]
  }

  take() {
    const token = this.tokens[this.at++]
    if (token === undefined) throw new WgslError('the file ends within a declaration')
    return token
  }

  /** @param {string} token */
  skip(token) {
    if (this.next !== token) return false
    this.at++
    return true
  }

  /** @param {string} token */
  expect(token) {
    const found = this.take()
    if (found !== token) throw new WgslError(`expected ${token}, found ${found}`)
  }

  /** The tokens up to one of `ends` outside of brackets, which is not taken. @param {readonly string[]} ends */
  until(ends) {
    const start = this.at
    for (let depth = 0; ; this.at++) {
      const token = this.next
      if (token === undefined) throw new WgslError(`expected ${ends.join(' or ')}, found the end of the file`)
      if (depth === 0 && ends.includes(token)) return this.tokens.slice(start, this.at)
      if ('([{'.includes(token)) depth++
      if (')]}'.includes(token)) depth--
    }
  }

  /** What lies between a bracket, which is next, and its partner. @param {string} open @param {string} close */
  between(open, close) {
    this.expect(open)
    const inside = this.until([close])
    this.expect(close)
    return inside
  }

  /** @returns {Attribute[]} */
  attributes() {
    const found = []
    while (this.skip('@')) {
      const name = this.take()
      found.push({ name, args: this.next === '(' ? split(this.between('(', ')')) : [] })
    }
    return found
  }

  /** @returns {Type} */
  type() {
    const name = this.take()
    if (!this.skip('<')) return { name, args: [] }
    const args = [this.type()]
    /** @type {string[] | undefined} */
    let length
    while (this.skip(',')) {
      if (this.next === '>') break
      if (name === 'array') length = this.until(['>', ','])
      else args.push(this.type())
    }
    this.expect('>')
    return length ? { name, args, length } : { name, args }
  }
}

/** @param {readonly string[]} tokens @returns {string[]} */
function split(tokens) {
  const parts = ['']
  let depth = 0
  for (const token of tokens) {
    if (token === '(') depth++
    if (token === ')') depth--
    if (token === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += ` ${token}`
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
