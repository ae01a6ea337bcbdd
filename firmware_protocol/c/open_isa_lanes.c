/*
 * Elements of vectors: hostrt/docs/open-isa.md, 2.2.
 */
#include "open_isa_internal.h"

oisa_status_t oisa_check(const oisa_memory_t *memory, uint64_t first, uint64_t n)
{
    uint64_t bank;
    uint64_t last;

    if ((first > memory->n_words) || (n > memory->n_words - first)) {
        return OISA_BAD_ADDRESS;
    }
    if (n == 0u) {
        return OISA_OK;
    }
    last = (first + n - 1u) / memory->bank_words;
    for (bank = first / memory->bank_words; bank <= last; bank++) {
        if (((memory->power >> bank) & 1u) == 0u) {
            return OISA_BANK_OFF;
        }
    }
    return OISA_OK;
}

oisa_status_t oisa_check_vector(const oisa_core_t *core, vector_t vector)
{
    return oisa_check(&core->dm, vector.first, words_of(vector.n, vector.type));
}

int oisa_is_at_risk(vector_t x, vector_t z)
{
    const uint64_t x_end = x.first + words_of(x.n, x.type);
    const uint64_t z_end = z.first + words_of(z.n, z.type);

    if ((z.n <= CHUNK) || (x.first >= z_end) || (z.first >= x_end)) {
        return 0;
    }
    return (z.first > x.first) || (z.type > x.type);
}

#if OISA_LITTLE_ENDIAN

static void load_row(const unsigned char *from, uint32_t type, uint32_t n, uint64_t *out)
{
    uint32_t i;

    if (type == TYPE_I8) {
        for (i = 0u; i < n; i++) {
            int8_t element;
            (void)memcpy(&element, &from[i], sizeof element);
            out[i] = (uint64_t)(int64_t)element;
        }
    } else if (type == TYPE_I16) {
        for (i = 0u; i < n; i++) {
            int16_t element;
            (void)memcpy(&element, &from[(size_t)i * sizeof element], sizeof element);
            out[i] = (uint64_t)(int64_t)element;
        }
    } else if (type == TYPE_I32) {
        for (i = 0u; i < n; i++) {
            int32_t element;
            (void)memcpy(&element, &from[(size_t)i * sizeof element], sizeof element);
            out[i] = (uint64_t)(int64_t)element;
        }
    } else {
        (void)memcpy(out, from, (size_t)n * sizeof *out);
    }
}

static void store_row(unsigned char *to, uint32_t type, uint32_t n, const uint64_t *values)
{
    uint32_t i;

    if (type == TYPE_I8) {
        for (i = 0u; i < n; i++) {
            to[i] = (unsigned char)(values[i] & 0xFFu);
        }
    } else if (type == TYPE_I16) {
        for (i = 0u; i < n; i++) {
            const uint16_t element = (uint16_t)(values[i] & 0xFFFFu);
            (void)memcpy(&to[(size_t)i * sizeof element], &element, sizeof element);
        }
    } else if (type == TYPE_I32) {
        for (i = 0u; i < n; i++) {
            const uint32_t element = (uint32_t)(values[i] & 0xFFFFFFFFu);
            (void)memcpy(&to[(size_t)i * sizeof element], &element, sizeof element);
        }
    } else {
        (void)memcpy(to, values, (size_t)n * sizeof *values);
    }
}

void oisa_load(const uint64_t *words, uint32_t type, int64_t first, int32_t step, uint32_t n,
               uint64_t *out)
{
    const unsigned char *bytes = (const unsigned char *)words;
    const int64_t size = (int64_t)1 << type;
    int64_t at = first;
    uint32_t i;

    if (step == 1) {
        load_row(&bytes[first * size], type, n, out);
        return;
    }
    for (i = 0u; i < n; i++) {
        load_row(&bytes[at * size], type, 1u, &out[i]);
        at += step;
    }
}

void oisa_store(uint64_t *words, uint32_t type, int64_t first, int32_t step, uint32_t n,
                const uint64_t *values)
{
    unsigned char *bytes = (unsigned char *)words;
    const int64_t size = (int64_t)1 << type;
    int64_t at = first;
    uint32_t i;

    if (step == 1) {
        store_row(&bytes[first * size], type, n, values);
        return;
    }
    for (i = 0u; i < n; i++) {
        store_row(&bytes[at * size], type, 1u, &values[i]);
        at += step;
    }
}

#else

/* The bits of an element, at the lowest place. */
static uint64_t mask_of(uint32_t type)
{
    return UINT64_MAX >> (64u - (8u << type));
}

static uint32_t place_of(uint64_t at, uint32_t type)
{
    return (uint32_t)(at & (lanes_of(type) - 1u)) * (8u << type);
}

void oisa_load(const uint64_t *words, uint32_t type, int64_t first, int32_t step, uint32_t n,
               uint64_t *out)
{
    const uint64_t mask = mask_of(type);
    const uint64_t sign = mask ^ (mask >> 1);
    int64_t at = first;
    uint32_t i;

    for (i = 0u; i < n; i++) {
        const uint64_t word = words[(uint64_t)at >> (3u - type)];
        out[i] = (((word >> place_of((uint64_t)at, type)) & mask) ^ sign) - sign;
        at += step;
    }
}

void oisa_store(uint64_t *words, uint32_t type, int64_t first, int32_t step, uint32_t n,
                const uint64_t *values)
{
    const uint64_t mask = mask_of(type);
    int64_t at = first;
    uint32_t i;

    for (i = 0u; i < n; i++) {
        uint64_t *word = &words[(uint64_t)at >> (3u - type)];
        const uint32_t place = place_of((uint64_t)at, type);
        *word = (*word & ~(mask << place)) | ((values[i] & mask) << place);
        at += step;
    }
}

#endif

uint64_t *oisa_open(const oisa_t *chip, const oisa_core_t *core, vector_t z, int is_at_risk)
{
    const uint64_t n_words = words_of(z.n, z.type);

    if (is_at_risk == 0) {
        return &core->dm.words[z.first];
    }
    chip->scratch[n_words - 1u] = core->dm.words[z.first + n_words - 1u];
    return chip->scratch;
}

void oisa_close(const oisa_t *chip, const oisa_core_t *core, vector_t z, int is_at_risk)
{
    if (is_at_risk != 0) {
        const size_t n_words = (size_t)words_of(z.n, z.type);
        (void)memcpy(&core->dm.words[z.first], chip->scratch, n_words * sizeof(uint64_t));
    }
}

void oisa_shift(uint64_t *values, uint32_t n, int32_t by)
{
    uint32_t i;

    if (by > 0) {
        for (i = 0u; i < n; i++) {
            values[i] <<= (uint32_t)by;
        }
    } else if (by < 0) {
        const uint32_t right = (uint32_t)-by;
        for (i = 0u; i < n; i++) {
            const uint64_t sign = 0u - (values[i] >> 63); /* shifting negative numbers is not C */
            values[i] = ((values[i] ^ sign) >> right) ^ sign;
        }
    } else {
        /* nothing to do */
    }
}

void oisa_narrow(uint64_t *values, uint32_t n, const instruction_t *instruction)
{
    uint32_t i;

    if (instruction->is_rounded != 0u) {
        const uint64_t half = UINT64_C(1) << (uint32_t)(-instruction->shift - 1);
        for (i = 0u; i < n; i++) {
            values[i] += half;
        }
    }
    oisa_shift(values, n, instruction->shift);
    if (instruction->bits != 0u) {
        const int64_t highest = (int64_t)((UINT64_C(1) << (instruction->bits - 1u)) - 1u);
        const int64_t lowest = -highest - 1;
        for (i = 0u; i < n; i++) {
            const int64_t value = as_signed(values[i]);
            const int64_t cut = (value > highest) ? highest : value;
            values[i] = (uint64_t)((cut < lowest) ? lowest : cut);
        }
    }
}
