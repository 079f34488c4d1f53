
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a device is to have first: setups of a tenant, whose commands are queued
 * behind the first TokenUpdate, and the way out of Setup Assistant behind them.
 */


#ifndef _MDM_SETUP_H_INCLUDED_
#define _MDM_SETUP_H_INCLUDED_


#include "mdm_ddm_replica.h"
#include "mdm_exchange_secret.h"
#include "mdm_job.h"
#include "mdm_json.h"
#include "mdm_json_write.h"


/* setups of a tenant, steps of one, and commands that one device gets */
#define MDM_SETUPS            32
#define MDM_SETUP_STEPS       32
#define MDM_SETUP_COMMANDS    128

/* octets of a setup as it is kept: its JSON */
#define MDM_SETUP_SIZE        (64 * 1024)

/* seconds */
#define MDM_SETUP_TIMEOUT     900
#define MDM_SETUP_TIMEOUT_MAX 86400

/* seconds that a worker's copy of setups is good for */
#define MDM_SETUP_COPY        10

/* the kind of work that sees to what is late */
#define MDM_SETUP_JOB         "release"


/* "always", "setup", "off": "mdm_release", as T:w:<id> has it */
mdm_str_t mdm_setup_release_name(mdm_uint_t release);

/*
 * The commands of a step, which is {"command": {…}} or {"command_plist":
 * "base64"}: "vars" (JSON by key forms of names) are filled in where it is not
 * empty.  "json" says which form "body" has.  MDM_OK; MDM_DECLINED: it is none;
 * MDM_ERROR.
 */
mdm_int_t mdm_setup_body(mdm_arena_t *arena, const json_t *step,
    const mdm_str_t *vars, mdm_str_t *body, mdm_uint_t *json);

/* where a setup stands: "mdm:{tenant/prof}:s:<name>", "body" */
void mdm_setup_where(mdm_secret_where_t *where, const mdm_str_t *tag,
    const mdm_str_t *name);


/*
 * The worker's copy of the tenant's setups, where it is new enough, and
 * "changes" is what it was made at: how often they have changed, as ddm_rev
 * says; -1: that is not known.  MDM_OK: *copy is in the arena; MDM_DECLINED: it
 * has none; MDM_ERROR.
 */
mdm_int_t mdm_setup_copy_get(mdm_exchange_t *x, int64_t changes,
    mdm_str_t *copy);

/*
 * Makes one in the arena of what setup_list has answered, and keeps it, but for
 * "changes" -1.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_setup_copy_put(mdm_exchange_t *x, int64_t changes,
    const mdm_reply_t *setups, mdm_str_t *copy);

/* takes the next setup off the copy; 0: there is none left */
mdm_uint_t mdm_setup_copy_next(mdm_str_t *copy, mdm_str_t *name,
    mdm_str_t *value);


/* x->ctx of mdm_setup_run(), in the arena; zeroed but for what is filled in */

typedef struct {
    mdm_str_t                 tag;         /* by the caller: of the partition,
                                              */
    mdm_str_t                 id;          /* the channel (key form), */
    mdm_str_t                 device;      /* and its device's; */
    const mdm_reply_t        *facts;       /* what setup_facts says; NULL: it
                                              is to be asked; */
    int64_t                   changes;     /* see mdm_setup_copy_get() */

    mdm_uint_t                done;        /* 1: nothing is owed any more */
    mdm_uint_t                owed;        /* 1: a push is due */
    mdm_uint_t                given;       /* sets that it was given, of which
                                              its declarations are to be made;
                                              also where that is not known */

    mdm_str_t                 key;         /* the step's own */
    mdm_str_t                 copy;
    mdm_uint_t                lost;        /* 1: nothing but the way out is to
                                              be made, anew */
    mdm_json_out_t            names;
    mdm_str_t                *items;
    mdm_uint_t                nitems;
    mdm_uint_t                nsets;
    mdm_uint_t                nsteps;
    mdm_uint_t                nsetups;
    mdm_uint_t                hold;
    int64_t                   timeout;
} mdm_setup_t;

/*
 * A step that does what setups and "mdm_release" say where something is owed to
 * a channel (see src/lua/_setup.lua), and may be repeated.  Where Redis is away
 * it leaves with "done" 0: a job makes up for it.
 */
mdm_int_t mdm_setup_run(mdm_exchange_t *x);


/* mdm_setup_job.c */
extern const mdm_job_kind_t  mdm_setup_jobs[];


#endif /* _MDM_SETUP_H_INCLUDED_ */
