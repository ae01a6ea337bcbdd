/*
 * Runs the library on a computer, for tests: commands on the standard input, what came of them on
 * the standard output, both as 64-bit words in the byte order of the machine. Not for firmware: it
 * allocates, every memory by itself and exactly as large as asked for, so that a sanitizer sees
 * the first word outside.
 *
 *     command                                                   answer
 *     1 n_cores max_instructions, per core: n_words,
 *       bank_words of IM, DM and TM                             1 result of oisa_init
 *     2 core memory first n words...                            -
 *     3 core memory power                                       -
 *     4 core runs                                               -
 *     5 budget n words...      oisa_message, run to rest        outputs, then 5 result runs
 *     6 budget core head_tail  oisa_wake, run to rest           outputs, then 6 result runs
 *     7                        oisa_drained                     -
 *     8                        oisa_reset                       -
 *     9 core memory first n                                     9 n words...
 *     10                                         10 cycles, per core: clock, busy, 8 events
 *     11 cycles hz_n hz_d      oisa_execution_us                11 us
 *
 * memory: 0 IM, 1 DM, 2 TM, 3 SB, 4 PB, 5 RQ. budget: instructions of each call of oisa_run, `runs`
 * the number of calls. An output is 0 header n words...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "open_isa.h"

#define N_MEMORIES 6u
#define FIRST_SMALL 3u /* SB, PB and RQ have OISA_THREADS words */

typedef struct {
    oisa_t chip;
    oisa_core_t cores[OISA_MAX_CORES];
    uint64_t *words[OISA_MAX_CORES][N_MEMORIES];
    uint64_t sizes[OISA_MAX_CORES][N_MEMORIES];
    uint64_t *scratch;
    uint64_t *links;
    uint64_t *message;
} bench_t;

static void fail(const char *what)
{
    (void)fprintf(stderr, "host_driver: %s\n", what);
    exit(2);
}

static void put(uint64_t word)
{
    if (fwrite(&word, sizeof word, 1u, stdout) != 1u) {
        fail("cannot write");
    }
}

static void put_all(const uint64_t *words, size_t n)
{
    if ((n != 0u) && (fwrite(words, sizeof *words, n, stdout) != n)) {
        fail("cannot write");
    }
}

static uint64_t get(void)
{
    uint64_t word;

    if (fread(&word, sizeof word, 1u, stdin) != 1u) {
        fail("input ends within a command");
    }
    return word;
}

static void get_all(uint64_t *words, uint64_t n)
{
    if ((n != 0u) && (fread(words, sizeof *words, (size_t)n, stdin) != (size_t)n)) {
        fail("input ends within a command");
    }
}

static uint64_t *make(uint64_t n)
{
    uint64_t *words = calloc((n != 0u) ? (size_t)n : 1u, sizeof *words);

    if (words == NULL) {
        fail("no memory");
    }
    return words;
}

static void on_output(void *user, uint64_t header, const uint64_t *words, size_t n)
{
    (void)user;
    put(0u);
    put(header);
    put(n);
    put_all(words, n);
}

static void release(bench_t *bench)
{
    uint32_t core;
    uint32_t i;

    for (core = 0u; core < OISA_MAX_CORES; core++) {
        for (i = 0u; i < N_MEMORIES; i++) {
            free(bench->words[core][i]);
            bench->words[core][i] = NULL;
        }
    }
    free(bench->scratch);
    free(bench->links);
    bench->scratch = NULL;
    bench->links = NULL;
}

static oisa_memory_t *banked(bench_t *bench, uint64_t core, uint64_t memory)
{
    oisa_core_t *it = &bench->cores[core];

    return (memory == 0u) ? &it->im : ((memory == 1u) ? &it->dm : &it->tm);
}

static void set_up(bench_t *bench)
{
    const uint64_t n_cores = get();
    const uint64_t max_instructions = get();
    uint64_t largest = 1u;
    oisa_setup_t setup;
    uint64_t core;
    uint64_t i;

    release(bench);
    if (n_cores > OISA_MAX_CORES) {
        fail("too many cores");
    }
    for (core = 0u; core < n_cores; core++) {
        for (i = 0u; i < N_MEMORIES; i++) {
            bench->sizes[core][i] = (i < FIRST_SMALL) ? get() : OISA_THREADS;
            bench->words[core][i] = make(bench->sizes[core][i]);
            if (i < FIRST_SMALL) {
                oisa_memory_t *memory = banked(bench, core, i);
                memory->words = bench->words[core][i];
                memory->n_words = (uint32_t)bench->sizes[core][i];
                memory->bank_words = (uint32_t)get();
                memory->power = UINT32_MAX;
            }
        }
        bench->cores[core].sb = bench->words[core][3];
        bench->cores[core].pb = bench->words[core][4];
        bench->cores[core].rq = bench->words[core][5];
        bench->cores[core].runs = 1u;
        largest = (bench->sizes[core][1] > largest) ? bench->sizes[core][1] : largest;
    }
    bench->scratch = make(largest);
    bench->links = make(OISA_LINK_POOL_WORDS(n_cores));
    setup.cores = bench->cores;
    setup.n_cores = (uint32_t)n_cores;
    setup.scratch = bench->scratch;
    setup.scratch_words = (size_t)largest;
    setup.links = bench->links;
    setup.link_words = OISA_LINK_POOL_WORDS(n_cores);
    setup.output = on_output;
    setup.user = NULL;
    setup.max_instructions = (uint32_t)max_instructions;
    put(1u);
    put((uint64_t)oisa_init(&bench->chip, &setup));
}

/* The words that a command names, after checking that they exist. */
static uint64_t *place(bench_t *bench, uint64_t *n)
{
    const uint64_t core = get();
    const uint64_t memory = get();
    const uint64_t first = get();

    *n = get();
    if ((core >= OISA_MAX_CORES) || (memory >= N_MEMORIES) ||
        (bench->words[core][memory] == NULL) || (first > bench->sizes[core][memory]) ||
        (*n > bench->sizes[core][memory] - first)) {
        fail("no such words");
    }
    return &bench->words[core][memory][first];
}

static uint64_t run(bench_t *bench, uint64_t budget)
{
    uint64_t runs = 1u;

    while (oisa_run(&bench->chip, (uint32_t)budget) == OISA_MORE) {
        runs++;
    }
    return runs;
}

static void report(uint64_t command, oisa_result_t result, uint64_t runs)
{
    put(command);
    put((uint64_t)result);
    put(runs);
}

static void take_message(bench_t *bench)
{
    const uint64_t budget = get();
    const uint64_t n = get();
    oisa_result_t result;

    free(bench->message);
    bench->message = make(n);
    get_all(bench->message, n);
    result = oisa_message(&bench->chip, bench->message, (size_t)n);
    report(5u, result, run(bench, budget));
}

static void take_wake(bench_t *bench)
{
    const uint64_t budget = get();
    const uint64_t core = get();
    const uint64_t head_tail = get();
    const oisa_result_t result = oisa_wake(&bench->chip, (uint32_t)core, (uint32_t)head_tail);

    report(6u, result, run(bench, budget));
}

static void give_figures(const bench_t *bench)
{
    uint32_t core;

    put(10u);
    put(oisa_frame_cycles(&bench->chip));
    for (core = 0u; core < bench->chip.n_cores; core++) {
        const oisa_events_t *events = oisa_events(&bench->chip, core);
        put(oisa_clock(&bench->chip, core));
        put(oisa_busy_cycles(&bench->chip, core));
        put(events->im_reads);
        put(events->dm_reads);
        put(events->dm_writes);
        put(events->tm_reads);
        put(events->products);
        put(events->lane_ops);
        put(events->stream_words);
        put(events->link_words);
    }
}

static void give_time(void)
{
    const uint64_t cycles = get();
    const uint64_t hz_n = get();
    const uint64_t hz_d = get();

    put(11u);
    put(oisa_execution_us(cycles, hz_n, hz_d));
}

static void obey(bench_t *bench, uint64_t command)
{
    uint64_t core;
    uint64_t n;
    uint64_t *words;

    switch (command) {
    case 1:
        set_up(bench);
        break;
    case 2:
        words = place(bench, &n);
        get_all(words, n);
        break;
    case 3:
        core = get() % OISA_MAX_CORES;
        n = get();
        banked(bench, core, n)->power = (uint32_t)get();
        break;
    case 4:
        core = get() % OISA_MAX_CORES;
        bench->cores[core].runs = (uint32_t)get();
        break;
    case 5:
        take_message(bench);
        break;
    case 6:
        take_wake(bench);
        break;
    case 7:
        oisa_drained(&bench->chip);
        break;
    case 8:
        oisa_reset(&bench->chip);
        break;
    case 9:
        words = place(bench, &n);
        put(9u);
        put(n);
        put_all(words, (size_t)n);
        break;
    case 10:
        give_figures(bench);
        break;
    case 11:
        give_time();
        break;
    default:
        fail("no such command");
        break;
    }
}

int main(void)
{
    static bench_t bench;
    uint64_t command;

    while (fread(&command, sizeof command, 1u, stdin) == 1u) {
        obey(&bench, command);
    }
    release(&bench);
    free(bench.message);
    return (fflush(stdout) == 0) ? 0 : 2;
}
