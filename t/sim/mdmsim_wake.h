
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Devices that sleep until mdmapns, the stand-in for Apple's push service,
 * wakes them.
 */


#ifndef _MDMSIM_WAKE_H_INCLUDED_
#define _MDMSIM_WAKE_H_INCLUDED_


#include "mdmsim_conn.h"


typedef void (*sim_woken_pt)(void *data, uint32_t device, uint32_t user);


typedef struct {
    const sim_fleet_t        *fleet;
    sim_woken_pt              woken;       /* NULL: sim_wake_take() is used */
    void                     *data;
    int                       fd;
    sim_buf_t                 in;
    uint64_t                  pushes;
    uint64_t                  wrong;       /* not with the magic of a token */

    uint32_t                 *slots;       /* channel + 1, by its token */
    uint32_t                  size;

    /* those that were woken, each once, in order: a ring */
    uint32_t                 *ring;
    uint64_t                 *since;       /* a channel; 0: it sleeps */
    uint32_t                  channels;
    uint32_t                  head;
    uint32_t                  awake;
} sim_wake_t;


/* connects to mdmapns and names the token of each channel */
void sim_wake_init(sim_wake_t *w, const sim_option_t *opt, sim_loop_t *loop);
void sim_wake_free(sim_wake_t *w);
/* what mdmapns has sent */
void sim_wake_read(sim_wake_t *w);
/* who was woken first, and when; SIM_AGAIN: nobody */
int sim_wake_take(sim_wake_t *w, uint32_t *device, uint32_t *user,
    uint64_t *since);
void sim_wake_put(sim_wake_t *w, uint32_t device, uint32_t user,
    uint64_t since);


#endif /* _MDMSIM_WAKE_H_INCLUDED_ */
