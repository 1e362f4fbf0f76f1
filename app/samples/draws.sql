-- Chance that can be repeated. A draw depends on the seed, on what it is for and on a number, and on nothing
-- else: not on the order of rows, threads or chunks, and not on a library's hash function.

-- mix: scatter a number below 2^32 over the numbers below 2^32, one to one.
CREATE MACRO mix(n) AS xor(n * 73244475 % 4294967296, n * 73244475 % 4294967296 >> 16);

-- dice: what the draws for one number have in common; it is computed once and then kept in a column.
CREATE MACRO dice(n) AS mix(n % 4294967296);

-- draw: a number below 2^32 from somebody's dice; each purpose is a sequence of its own.
CREATE MACRO draw(purpose, dice) AS
    mix(xor(dice, ('0x' || left(md5(getvariable('seed') || '/' || purpose), 8))::BIGINT));

-- pick: one of a list.
CREATE MACRO pick(choices, n) AS choices[1 + n % len(choices)];

-- digest: 32 hexadecimal digits, as an MD5 ETag has them.
CREATE MACRO digest(purpose, n) AS md5(getvariable('seed') || '/' || purpose || '/' || n);
