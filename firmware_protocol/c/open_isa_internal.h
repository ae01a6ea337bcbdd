/*
 * What the files of the library share; no part of its interface.
 */
#ifndef OPEN_ISA_INTERNAL_H
#define OPEN_ISA_INTERNAL_H

#include <string.h>

#include "open_isa.h"

/* Whether words in memory are their elements in order; OISA_PORTABLE takes the way that works
   everywhere. */
#if !defined(OISA_PORTABLE) && defined(__BYTE_ORDER__) && defined(__ORDER_LITTLE_ENDIAN__)
#define OISA_LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#else
#define OISA_LITTLE_ENDIAN 0
#endif

/* Operations, bits 63..56 of an instruction; bits 63..62 are the number of operand words. */
enum {
    OP_HALT = 0x01,
    OP_RECV = 0x02,
    OP_COPY = 0x03,
    OP_SEND = 0x04,
    OP_JUMP = 0x05,
    OP_JZERO = 0x06,
    OP_LOOP = 0x07,
    OP_SIGNAL = 0x08,
    OP_POST = 0x41,
    OP_LUT = 0x42,
    OP_COUNT = 0x43,
    OP_SUM = 0x45,
    OP_ADD = 0x50,
    OP_SUB = 0x51,
    OP_MUL = 0x52,
    OP_GT = 0x53,
    OP_GE = 0x54,
    OP_LT = 0x55,
    OP_LE = 0x56,
    OP_EQ = 0x57,
    OP_AND = 0x58,
    OP_OR = 0x59,
    OP_XOR = 0x5A,
    OP_MAX = 0x5B,
    OP_MIN = 0x5C,
    OP_MAC = 0x5D,
    OP_SELECT = 0x5E,
    OP_MATVEC = 0x80,
    OP_MOVE = 0x81,
    OP_MOVEL = 0xC0
};

/* Types of elements, and the second operand of vector arithmetic. */
enum { TYPE_I8 = 0, TYPE_I16 = 1, TYPE_I32 = 2, TYPE_I64 = 3 };
enum { MODE_VECTOR = 0, MODE_SCALAR = 1, MODE_NUMBER = 2, MODE_SCALAR_X = 3 };

#define MAX_OPERAND_WORDS 3u

/* A legal instruction, its fields taken apart. What an operation does not have is 0. */
typedef struct {
    uint32_t op;
    uint32_t n;
    uint32_t a;
    uint32_t b;
    uint32_t xt;
    uint32_t yt;
    uint32_t zt;
    uint32_t mode;   /* aux[7:6]: of vector arithmetic */
    uint32_t flag;   /* aux[6]: has_init, wide */
    uint32_t reg;    /* aux[1:0] of LOOP, aux[3:2] of MOVEL */
    uint32_t c[MAX_OPERAND_WORDS]; /* c, c2, c3, and so on */
    uint32_t d[MAX_OPERAND_WORDS];
    uint32_t e[MAX_OPERAND_WORDS];
    uint32_t f[MAX_OPERAND_WORDS];
    int32_t sx;
    int32_t sy;
    int32_t shift;
    uint32_t is_rounded;
    uint32_t bits;
} instruction_t;

/* What one execution costs. */
typedef struct {
    uint64_t cycles;
    oisa_events_t events;
} cost_t;

static inline uint32_t lanes_of(uint32_t type)
{
    return 8u >> type;
}

/* Words of a vector of n elements. */
static inline uint64_t words_of(uint64_t n, uint32_t type)
{
    return (n + lanes_of(type) - 1u) >> (3u - type);
}

static inline int32_t signed8(uint32_t low)
{
    return (int32_t)((low & 0xFFu) ^ 0x80u) - 0x80;
}

static inline int32_t signed16(uint32_t low)
{
    return (int32_t)((low & 0xFFFFu) ^ 0x8000u) - 0x8000;
}

/* open_isa_decode.c */

/* Takes words[0] and its operand words apart; 0 when they are no legal instruction. */
int oisa_decode(const uint64_t *words, instruction_t *instruction);

/* Cycles and events of one execution, fetches not included. */
void oisa_cost(const instruction_t *instruction, cost_t *cost);

/* Tells whether a MOVE or MOVEL goes by whole words. */
int oisa_moves_words(const instruction_t *instruction);

/* open_isa_data.c, open_isa_move.c, open_isa_product.c: what works on DM and TM only. OISA_OK, or
   the status that stops the thread; then nothing was written. */

oisa_status_t oisa_vector(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction);
oisa_status_t oisa_sum(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction);
oisa_status_t oisa_lut(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction);
oisa_status_t oisa_count(const oisa_core_t *core, const instruction_t *instruction);
oisa_status_t oisa_matvec(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction);
oisa_status_t oisa_move(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction,
                        uint32_t loop);

/* open_isa_lanes.c */

/* Elements that are worked on together, 64-bit two's complement in uint64_t. */
#define CHUNK 64u

/* A vector in DM: a word address, a type, and how many elements from the start of that word. */
typedef struct {
    uint64_t first;
    uint64_t n;
    uint32_t type;
} vector_t;

/* Tells whether n words from `first` exist and are powered: OISA_OK, OISA_BAD_ADDRESS or
   OISA_BANK_OFF. */
oisa_status_t oisa_check(const oisa_memory_t *memory, uint64_t first, uint64_t n);

/* oisa_check for a vector in DM. */
oisa_status_t oisa_check_vector(const oisa_core_t *core, vector_t vector);

/* Tells whether z, written from element 0 up in chunks, may overwrite elements of x that are read
   later: x is read before z chunk by chunk, at least one element of x for each of z. */
int oisa_is_at_risk(vector_t x, vector_t z);

/* Reads elements first, first + step, ... of the vector that begins at `words`. */
void oisa_load(const uint64_t *words, uint32_t type, int64_t first, int32_t step, uint32_t n,
               uint64_t *out);

/* Writes the low bits of values to elements first, first + step, ... of the vector at `words`. */
void oisa_store(uint64_t *words, uint32_t type, int64_t first, int32_t step, uint32_t n,
                const uint64_t *values);

/* Where a result is written: at its place, or, when `is_at_risk`, in scratch until oisa_close. */
uint64_t *oisa_open(const oisa_t *chip, const oisa_core_t *core, vector_t z, int is_at_risk);
void oisa_close(const oisa_t *chip, const oisa_core_t *core, vector_t z, int is_at_risk);

/* sh(v, by) of n values. */
void oisa_shift(uint64_t *values, uint32_t n, int32_t by);

/* narrow(v) of n values, but for the store. */
void oisa_narrow(uint64_t *values, uint32_t n, const instruction_t *instruction);

/* The same 64 bits as a signed number. */
static inline int64_t as_signed(uint64_t value)
{
    int64_t result;

    (void)memcpy(&result, &value, sizeof result);
    return result;
}

#endif
