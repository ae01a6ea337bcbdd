/*
 * Matrix times vector: hostrt/docs/open-isa.md, 2.7.
 *
 * Sums are modulo 2^64, so products may be added in any order. The four combinations of i8 and i16
 * have loops that compilers turn into vector instructions.
 */
#include "open_isa_internal.h"

#if OISA_LITTLE_ENDIAN

/* 256 products of i8 and i16 fit into 32 bits: 2^8 * 2^7 * 2^15 = 2^30. */
#define BLOCK 256u
/* Inner loops of a fixed length are turned into vector instructions already by gcc -O2. */
#define SPAN 32u

static inline int32_t i8_at(const unsigned char *bytes, size_t i)
{
    int8_t element;

    (void)memcpy(&element, &bytes[i], sizeof element);
    return element;
}

static inline int32_t i16_at(const unsigned char *bytes, size_t i)
{
    int16_t element;

    (void)memcpy(&element, &bytes[i * sizeof element], sizeof element);
    return element;
}

static int64_t dot_8_8(const unsigned char *w, const unsigned char *x, size_t n)
{
    int32_t sum = 0;
    size_t done;
    size_t i;

    for (done = 0u; n - done >= SPAN; done += SPAN) {
        const unsigned char *w_here = &w[done];
        const unsigned char *x_here = &x[done];
        for (i = 0u; i < SPAN; i++) {
            sum += i8_at(w_here, i) * i8_at(x_here, i);
        }
    }
    for (i = done; i < n; i++) {
        sum += i8_at(w, i) * i8_at(x, i);
    }
    return sum;
}

static int64_t dot_8_16(const unsigned char *w, const unsigned char *x, size_t n)
{
    int32_t sum = 0;
    size_t done;
    size_t i;

    for (done = 0u; n - done >= SPAN; done += SPAN) {
        const unsigned char *w_here = &w[done];
        const unsigned char *x_here = &x[2u * done];
        for (i = 0u; i < SPAN; i++) {
            sum += i8_at(w_here, i) * i16_at(x_here, i);
        }
    }
    for (i = done; i < n; i++) {
        sum += i8_at(w, i) * i16_at(x, i);
    }
    return sum;
}

static int64_t dot_16_16(const unsigned char *w, const unsigned char *x, size_t n)
{
    int64_t sum = 0;
    size_t done;
    size_t i;

    for (done = 0u; n - done >= SPAN; done += SPAN) {
        const unsigned char *w_here = &w[2u * done];
        const unsigned char *x_here = &x[2u * done];
        for (i = 0u; i < SPAN; i++) {
            sum += (int64_t)(i16_at(w_here, i) * i16_at(x_here, i));
        }
    }
    for (i = done; i < n; i++) {
        sum += (int64_t)(i16_at(w, i) * i16_at(x, i));
    }
    return sum;
}

/* Sum of x[first + i] * w[i], i = 0 .. k-1, for types up to i16. */
static uint64_t small_row(const instruction_t *in, const uint64_t *w, const uint64_t *x, size_t k)
{
    const unsigned char *w_bytes = (const unsigned char *)w;
    const unsigned char *x_bytes = (const unsigned char *)x + ((size_t)in->d[1] << in->xt);
    uint64_t sum = 0u;
    size_t done;

    for (done = 0u; done < k; done += BLOCK) {
        const size_t count = ((k - done) < BLOCK) ? (k - done) : BLOCK;
        const unsigned char *w_here = &w_bytes[done << in->yt];
        const unsigned char *x_here = &x_bytes[done << in->xt];
        if (in->yt == in->xt) {
            sum += (uint64_t)((in->xt == TYPE_I8) ? dot_8_8(w_here, x_here, count)
                                                  : dot_16_16(w_here, x_here, count));
        } else if (in->yt == TYPE_I8) {
            sum += (uint64_t)dot_8_16(w_here, x_here, count);
        } else {
            sum += (uint64_t)dot_8_16(x_here, w_here, count);
        }
    }
    return sum;
}

#endif

/* The same for all types. */
static uint64_t any_row(const instruction_t *in, const uint64_t *w, const uint64_t *x, uint32_t k)
{
    uint64_t w_here[CHUNK];
    uint64_t x_here[CHUNK];
    uint64_t sum = 0u;
    uint32_t done;

    for (done = 0u; done < k; done += CHUNK) {
        const uint32_t count = ((k - done) < CHUNK) ? (k - done) : CHUNK;
        uint32_t i;
        oisa_load(w, in->yt, (int64_t)done, 1, count, w_here);
        oisa_load(x, in->xt, (int64_t)in->d[1] + (int64_t)done, 1, count, x_here);
        for (i = 0u; i < count; i++) {
            sum += w_here[i] * x_here[i];
        }
    }
    return sum;
}

static uint64_t row(const instruction_t *in, const uint64_t *w, const uint64_t *x)
{
#if OISA_LITTLE_ENDIAN
    if ((in->xt <= TYPE_I16) && (in->yt <= TYPE_I16)) {
        return small_row(in, w, x, in->d[0]);
    }
#endif
    return any_row(in, w, x, in->d[0]);
}

static void run_matvec(const oisa_core_t *core, const instruction_t *in, uint64_t *to)
{
    const uint64_t *dm = core->dm.words;
    const size_t stride = in->e[0];
    uint64_t z[CHUNK];
    uint32_t done;

    for (done = 0u; done < in->n; done += CHUNK) {
        const uint32_t count = ((in->n - done) < CHUNK) ? (in->n - done) : CHUNK;
        uint32_t i;
        if (in->flag != 0u) {
            oisa_load(&dm[in->f[0]], in->c[1], (int64_t)done, 1, count, z);
        } else {
            (void)memset(z, 0, sizeof z);
        }
        for (i = 0u; (i < count) && (in->d[0] != 0u); i++) {
            z[i] += row(in, &dm[in->c[0] + stride * (done + i)], &dm[in->a]);
        }
        oisa_narrow(z, count, in);
        oisa_store(to, in->zt, (int64_t)done, 1, count, z);
    }
}

/* Tells whether two ranges of words have one in common. */
static int overlap(uint64_t first, uint64_t n, uint64_t other_first, uint64_t other_n)
{
    return (first < other_first + other_n) && (other_first < first + n);
}

oisa_status_t oisa_matvec(oisa_t *chip, const oisa_core_t *core, const instruction_t *instruction)
{
    const instruction_t *in = instruction;
    const uint64_t k = in->d[0];
    const uint64_t xo = in->d[1];
    const uint64_t x_first = in->a + xo / lanes_of(in->xt);
    const uint64_t x_words = (k != 0u) ? ((xo + k - 1u) / lanes_of(in->xt) + in->a + 1u - x_first) : 0u;
    const int has_w = (k != 0u) && (in->n != 0u);
    const uint64_t w_words =
        (has_w != 0) ? ((uint64_t)(in->n - 1u) * in->e[0] + words_of(k, in->yt)) : 0u;
    const vector_t init_at = {in->f[0], in->n, in->c[1]};
    const vector_t z_at = {in->b, in->n, in->zt};
    oisa_status_t status = oisa_check(&core->dm, x_first, x_words);
    int is_at_risk = 0;

    if (status == OISA_OK) {
        status = oisa_check(&core->dm, in->c[0], w_words);
    }
    if ((status == OISA_OK) && (in->flag != 0u)) {
        status = oisa_check_vector(core, init_at);
    }
    if (status == OISA_OK) {
        status = oisa_check_vector(core, z_at);
    }
    if (status != OISA_OK) {
        return status;
    }
    if (in->n > CHUNK) {
        const uint64_t z_words = words_of(in->n, in->zt);
        is_at_risk = overlap(x_first, x_words, in->b, z_words) ||
                     overlap(in->c[0], w_words, in->b, z_words) ||
                     ((in->flag != 0u) && (oisa_is_at_risk(init_at, z_at) != 0));
    }
    run_matvec(core, in, oisa_open(chip, core, z_at, is_at_risk));
    oisa_close(chip, core, z_at, is_at_risk);
    return OISA_OK;
}
