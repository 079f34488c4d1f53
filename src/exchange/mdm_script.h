
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The Redis scripts of src/lua, embedded at build time by
 * scripts/embed-lua, one object a file, named mdm_script_<file>.
 * "--@include NAME" in a script is replaced by src/lua/_NAME.lua.  The same
 * program writes mdm_scripts.h, into the folder that is built in.
 */


#ifndef _MDM_SCRIPT_H_INCLUDED_
#define _MDM_SCRIPT_H_INCLUDED_


#include "mdm_base.h"


typedef struct {
    mdm_str_t                 name;
    mdm_str_t                 body;
    mdm_str_t                 sha1;        /* 40 lower-case hex digits */
    mdm_uint_t                write;       /* 1 unless its first line says
                                              "--@readonly" */
    mdm_uint_t                durable;     /* 1 if what it writes must not be
                                              lost: 0 if readonly or with
                                              "--@volatile" */
    mdm_uint_t                onekey;      /* 1: it touches KEYS[1] only, by
                                              "--@onekey" */
    mdm_uint_t                owes;        /* 1: it may queue commands, by
                                              "--@owes", so that pushes are
                                              owed: see mdm_exchange_run() */
    mdm_uint_t                refuses;     /* 1: it may answer that the outbox
                                              is full, by "--@refuses" */
    mdm_uint_t                index;       /* place in mdm_scripts */
    mdm_uint_t                nargs;       /* ARGV that are always there */
    mdm_uint_t                most;        /* ARGV at most, or … */
    mdm_uint_t                events;      /* 1: it may write events; its first
                                              ARGV are MDM_ARG_WHO … */
} mdm_script_t;

#define MDM_SCRIPT_ANY        ((mdm_uint_t) -1)    /* … any number */

#define MDM_SCRIPT_FULL       -100         /* code of one that "refuses" */


/* the first arguments of all scripts that write events */

enum {
    MDM_ARG_WHO = 0,                       /* "": not by the API */
    MDM_ARG_ADDRESS,                       /* of whom, or "" */
    MDM_ARG_LIMIT,                         /* event_limit; 0: no events */
    MDM_NARGS_EVENT
};


/* all of them, in the order of their names, closed by NULL */

extern const mdm_script_t *const  mdm_scripts[];
extern const mdm_uint_t           mdm_nscripts;


/*
 * each of them, and what its arguments and the slots of its reply are called:
 * mdm_script_<file>, MDM_ARG_<FILE>_<NAME>, MDM_RET_<FILE>_<NAME>
 */

#include "mdm_scripts.h"


#endif /* _MDM_SCRIPT_H_INCLUDED_ */
