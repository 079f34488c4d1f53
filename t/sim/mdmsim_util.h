
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The device simulator and load generator: what all of it uses.  It is a tool
 * for tests and measurements and shares no code with the module, so that a
 * mistake in one is not repeated by the other.
 */


#ifndef _MDMSIM_UTIL_H_INCLUDED_
#define _MDMSIM_UTIL_H_INCLUDED_


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>


#define SIM_OK               0
#define SIM_ERROR           -1
#define SIM_AGAIN           -2

#define SIM_MSEC             UINT64_C(1000000)      /* in nanoseconds */
#define SIM_SEC              UINT64_C(1000000000)


/* a growing buffer; running out of memory ends the program with a message */

typedef struct {
    char                     *data;
    size_t                    len;
    size_t                    size;
} sim_buf_t;


/* a link of a list; every list has a head of its own */

typedef struct sim_link_s  sim_link_t;

struct sim_link_s {
    sim_link_t               *prev;
    sim_link_t               *next;
};


void sim_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
void *sim_alloc(size_t size);
void *sim_realloc(void *p, size_t size);
uint64_t sim_now(void);
uint64_t sim_mix(uint64_t x);
/* a number that depends on all three and looks random */
uint64_t sim_hash(uint64_t seed, uint64_t n, uint64_t salt);
uint64_t sim_hash_bytes(uint64_t seed, const void *data, size_t len);
void sim_fill(uint64_t seed, void *data, size_t len);
void sim_uuid(uint64_t seed, char *dst);
void sim_buf_reserve(sim_buf_t *b, size_t len);
void sim_buf_add(sim_buf_t *b, const void *data, size_t len);
void sim_buf_str(sim_buf_t *b, const char *s);
void sim_buf_printf(sim_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void sim_buf_base64(sim_buf_t *b, const void *data, size_t len);
void sim_buf_percent(sim_buf_t *b, const void *data, size_t len);
void sim_buf_free(sim_buf_t *b);
/* the whole file, at most 64 MB; ends the program if it cannot be read */
void sim_read_file(const char *name, sim_buf_t *b);
/* a new file; ends the program if it is there already and not "force" */
void sim_write_file(const char *name, const sim_buf_t *b, int mode,
    int force);
void sim_link_init(sim_link_t *head);
void sim_link_add(sim_link_t *head, sim_link_t *link);    /* last */
void sim_link_first(sim_link_t *head, sim_link_t *link);
void sim_link_del(sim_link_t *link);                      /* idempotent */
int sim_link_empty(const sim_link_t *head);


#endif /* _MDMSIM_UTIL_H_INCLUDED_ */
