/*
 * The open instruction set of the simulated SPU, for firmware: version 2 of hostrt/docs/open-isa.md.
 *
 * Portable C99. No allocation, no floating point, no state outside the structures below; the same
 * results on every byte order. Needs <stddef.h>, <stdint.h> and <string.h>.
 *
 * The caller owns all memory and tells the library what the host did:
 *
 *     oisa_init       once
 *     oisa_message    a message from the host came in      } each followed by
 *     oisa_wake       the host wrote to HEAD_TAIL_REG      } oisa_run until it says OISA_REST
 *     oisa_drained    the host read the last queued output
 *
 * Output messages are handed to the caller's function. Registers, power sequences and streams are
 * the caller's; `oisa_core_t` holds what of them matters to programs and may be changed by the
 * caller whenever the chip is at rest. Not thread safe: one chip, one caller at a time.
 */
#ifndef OPEN_ISA_H
#define OPEN_ISA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OISA_VERSION 2u
#define OISA_MARK_NAME UINT64_C(0x4F50454E49534100) /* "OPENISA" in bits 63..8 of word 0 of IM */

#ifndef OISA_MAX_CORES
#define OISA_MAX_CORES 4u /* cores of the largest chip that is built for */
#endif
#define OISA_THREADS 64u      /* threads of a core that signals and the ready queue start */
#define OISA_QUEUE_LENGTH 64u /* starts that can wait on one core */
#define OISA_LINK_WORDS 4096u /* words of messages between cores that can wait on one core */
#define OISA_LOOP_REGISTERS 4u
#define OISA_START_CYCLES 4u
#define OISA_LINK_CYCLES 8u
#define OISA_MAX_INSTRUCTIONS 1000000u /* from one message of the host to the next */

/* Words of memory for messages between cores that a chip of n cores needs: what can wait on each
   of them, and what the thread that runs was started with. */
#define OISA_LINK_POOL_WORDS(n) (((size_t)(n) + 1u) * (size_t)OISA_LINK_WORDS)

/* Low half of an output message's header (open-isa.md, 5). */
typedef enum {
    OISA_OK = 0x1F,
    OISA_ILLEGAL_INSTRUCTION = 0x80,
    OISA_BAD_ADDRESS = 0x81,
    OISA_BANK_OFF = 0x82,
    OISA_BAD_MESSAGE = 0x83,
    OISA_RUNAWAY = 0x84,
    OISA_WRONG_VERSION = 0x85,
    OISA_QUEUE_FULL = 0x86
} oisa_status_t;

/* What became of a request. */
typedef enum {
    OISA_DONE = 0,   /* accepted */
    OISA_LOST = 1,   /* a real chip would lose it without a trace, and so did this one */
    OISA_BUSY = 2,   /* not at rest: call oisa_run until it says OISA_REST, then try again */
    OISA_MISUSE = 3  /* oisa_init: a pointer is missing, a memory too small, a number too large */
} oisa_result_t;

typedef enum {
    OISA_REST = 0, /* nothing is left to do */
    OISA_MORE = 1  /* the budget is used up; call again */
} oisa_progress_t;

/* What happened, counted for energy (open-isa.md, 4.2). */
typedef struct {
    uint64_t im_reads;     /* words fetched from IM */
    uint64_t dm_reads;     /* words read from DM */
    uint64_t dm_writes;    /* words written to DM */
    uint64_t tm_reads;     /* words read from TM */
    uint64_t products;     /* multiplications of lanes */
    uint64_t lane_ops;     /* other operations of lanes */
    uint64_t stream_words; /* message words from and to the host */
    uint64_t link_words;   /* message words between cores */
} oisa_events_t;

/*
 * One memory: the caller's array, words in the order of their addresses, bits as the host wrote
 * them. Bit i of `power` says whether bank i, words i * bank_words and up, can be used (CONF
 * register "on" or "FSM controlled"). At most 32 banks.
 */
typedef struct {
    uint64_t *words;
    uint32_t n_words;
    uint32_t bank_words;
    uint32_t power;
} oisa_memory_t;

/*
 * One core: the caller's. The library reads im, tm, pb and rq, reads and writes dm and sb.
 * `runs`: not 0 when the core is out of reset and has a clock (open-isa.md, 3).
 */
typedef struct {
    oisa_memory_t im;
    oisa_memory_t dm;
    oisa_memory_t tm;
    uint64_t *sb;       /* OISA_THREADS words each, always on */
    const uint64_t *pb;
    const uint64_t *rq;
    uint32_t runs;
} oisa_core_t;

/*
 * Takes an output message: header (mailbox << 32 | status) and n_words payload words, which are
 * valid during the call only. It must not call the library.
 */
typedef void (*oisa_output_t)(void *user, uint64_t header, const uint64_t *words, size_t n_words);

/* A start that waits. The library's own, like everything below it. */
typedef struct {
    uint64_t arrival;
    uint32_t core;
    uint32_t pc;
    uint32_t first;   /* of its words in the memory for messages between cores */
    uint32_t n_words;
    uint32_t is_link; /* else its words are the host's */
} oisa_start_t;

typedef struct {
    oisa_start_t start;
    uint64_t begin;
    uint64_t cycles; /* since begin */
    uint32_t is_active;
    uint32_t pc;
    uint32_t taken;  /* words of its message that it has received */
    uint32_t loops[OISA_LOOP_REGISTERS];
} oisa_thread_t;

typedef struct {
    oisa_core_t *cores;
    uint32_t n_cores;
    oisa_output_t output;
    void *user;
    uint64_t *scratch;
    uint64_t *links;
    uint32_t max_instructions;

    oisa_thread_t thread;
    oisa_start_t starts[OISA_MAX_CORES * OISA_QUEUE_LENGTH]; /* in the order they were asked for */
    uint32_t n_starts;
    uint32_t waiting[OISA_MAX_CORES];
    uint32_t link_waiting[OISA_MAX_CORES];
    uint32_t links_used;
    const uint64_t *host_words;

    uint64_t clock[OISA_MAX_CORES];
    uint64_t busy[OISA_MAX_CORES];
    oisa_events_t events[OISA_MAX_CORES];
    uint32_t fetched; /* instructions since the last message from the host or HEAD_TAIL_REG */
    uint32_t has_sent;
    uint32_t is_drained;
} oisa_t;

/* Everything oisa_init needs, all of it the caller's and valid as long as the chip is used. */
typedef struct {
    oisa_core_t *cores;
    uint32_t n_cores;      /* 1 .. OISA_MAX_CORES */
    uint64_t *scratch;     /* for instructions whose result overlaps an operand */
    size_t scratch_words;  /* at least those of the largest DM */
    uint64_t *links;       /* messages between cores */
    size_t link_words;     /* at least OISA_LINK_POOL_WORDS(n_cores) */
    oisa_output_t output;
    void *user;            /* handed to output */
    uint32_t max_instructions; /* OISA_MAX_INSTRUCTIONS; fewer for tests */
} oisa_setup_t;

/* Makes a chip. OISA_DONE, or OISA_MISUSE when the set-up cannot work; then the chip is unusable. */
oisa_result_t oisa_init(oisa_t *chip, const oisa_setup_t *setup);

/* Forgets threads, waiting starts, clocks and counters; memories and power are the caller's. */
void oisa_reset(oisa_t *chip);

/*
 * A message from the host: words[0] is (pc << 32) | core, the rest its payload. The words must stay
 * as they are until oisa_run says OISA_REST. OISA_DONE, OISA_LOST (no words, no such core, core does
 * not run, no open instruction set in it) or OISA_BUSY.
 */
oisa_result_t oisa_message(oisa_t *chip, const uint64_t *words, size_t n_words);

/* The host wrote head_tail to the low half of HEAD_TAIL_REG of a core. Results as oisa_message. */
oisa_result_t oisa_wake(oisa_t *chip, uint32_t core, uint32_t head_tail);

/* Executes at most max_instructions instructions. */
oisa_progress_t oisa_run(oisa_t *chip, uint32_t max_instructions);

/* All output was read, or dropped: the next message that is not lost begins a frame. */
void oisa_drained(oisa_t *chip);

/* Begins a frame at once, whatever was sent and read: clocks and figures become 0. */
void oisa_begin_frame(oisa_t *chip);

/* Figures of the frame, which stay until the next one begins; 0, or NULL, for no such core. */
uint64_t oisa_frame_cycles(const oisa_t *chip);
uint64_t oisa_clock(const oisa_t *chip, uint32_t core); /* cycle at which the core became free */
uint64_t oisa_busy_cycles(const oisa_t *chip, uint32_t core);
const oisa_events_t *oisa_events(const oisa_t *chip, uint32_t core);

/*
 * Execution time in microseconds, rounded to the nearest (half to even), at least 1. The clock of
 * the cores is hz_n / hz_d Hz: f_ref * (CLKF + 1) and (CLKR + 1) * (CLKOD + 1). Exact for hz_n from
 * 1 to 2^33, hz_d from 1 to 2^11 and times below 2^63 microseconds.
 */
uint64_t oisa_execution_us(uint64_t cycles, uint64_t hz_n, uint64_t hz_d);

/* sizeof(oisa_t), for callers that are not compiled with this header. */
size_t oisa_size(void);

#ifdef __cplusplus
}
#endif

#endif
