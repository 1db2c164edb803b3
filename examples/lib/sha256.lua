-- SHA-256 (FIPS 180-4) in plain Lua, for Lua 5.3 and newer: it needs their 64-bit integers. Much slower than C, which
-- makes it good work for several cores.

local unpack, pack, rep, byte = string.unpack, string.pack, string.rep, string.byte

local MASK = 0xffffffff

-- The first 32 bits of the fractional parts of the square and cube roots of the first primes.
local INITIAL, ROUND = {}, {}
do
  -- A double's 53 bits hold the integer part and the 32 bits that are wanted, so floating point is exact enough.
  local function fraction(root)
    return math.floor((root - math.floor(root)) * 2.0 ^ 32)
  end
  local primes, candidate = 0, 2
  while primes < 64 do
    local prime = true
    for divisor = 2, math.floor(candidate ^ 0.5) do
      prime = prime and candidate % divisor ~= 0
    end
    if prime then
      primes = primes + 1
      ROUND[primes] = fraction(candidate ^ (1 / 3))
      if primes <= 8 then
        INITIAL[primes] = fraction(candidate ^ 0.5)
      end
    end
    candidate = candidate + 1
  end
end

-- The low 32 bits of the result are the rotated word; what is above them is cut off once, by the caller.
local function rotate(word, bits)
  return (word >> bits) | (word << (32 - bits))
end

--- The SHA-256 of a string, as 64 hexadecimal digits.
local function sha256(message)
  -- The message, a one bit, zeros, and the message's length in bits, together a multiple of 64 bytes.
  local padded = message .. "\x80" .. rep("\0", -(#message + 9) % 64) .. pack(">I8", #message * 8)
  local hash = { table.unpack(INITIAL) }
  for block = 1, #padded, 64 do
    local words = { unpack(">" .. rep("I4", 16), padded, block) }
    for i = 17, 64 do
      local a, b = words[i - 15], words[i - 2]
      local mixed_a = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
      local mixed_b = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
      words[i] = (words[i - 16] + words[i - 7] + (mixed_a & MASK) + (mixed_b & MASK)) & MASK
    end
    local a, b, c, d, e, f, g, h = table.unpack(hash)
    for i = 1, 64 do
      local sum_e = (rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)) & MASK
      local choice = (e & f) ~ (~e & g)
      local first = h + sum_e + choice + ROUND[i] + words[i]
      local sum_a = (rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)) & MASK
      local majority = (a & b) ~ (a & c) ~ (b & c)
      a, b, c, d, e, f, g, h = (first + sum_a + majority) & MASK, a, b, c, (d + first) & MASK, e, f, g
    end
    for i, value in ipairs({ a, b, c, d, e, f, g, h }) do
      hash[i] = (hash[i] + value) & MASK
    end
  end
  return (rep("%08x", 8):format(table.unpack(hash)))
end

return sha256
