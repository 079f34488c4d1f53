
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Declarative management: what a channel has of the server's declarations.
 */


#ifndef _MDMSIM_DDM_H_INCLUDED_
#define _MDMSIM_DDM_H_INCLUDED_


#include "mdmsim_json.h"
#include "mdmsim_run.h"


typedef enum {
    SIM_D_ACTIVATION = 0,
    SIM_D_CONFIGURATION,
    SIM_D_ASSET,
    SIM_D_MANAGEMENT,
    SIM_D_KINDS
} sim_dkind_e;


typedef enum {
    SIM_DDM_TOKENS = 0,
    SIM_DDM_ITEMS,
    SIM_DDM_DECLARATION,
    SIM_DDM_STATUS
} sim_ddm_step_e;


typedef struct {
    sim_dkind_e               kind;
    char                     *id;
    char                     *token;       /* ServerToken */
    sim_buf_t                 body;        /* empty: not fetched */

    /* of the last evaluation */

    sim_json_t                json;
    int                       active;
    const char               *valid;
    sim_buf_t                 reasons;     /* objects with commas, or none */
} sim_decl_t;


/* a status item that was reported */

typedef struct {
    char                     *name;
    uint64_t                  hash;        /* of its value */
    int                       listed;
} sim_item_t;


struct sim_ddm_s {
    char                     *token;       /* DeclarationsToken; NULL: none */
    char                     *wanted_token;
    char                      timestamp[40];
    int                       wanted;      /* a sync is due */
    int                       due;         /* a status report */
    int                       reported;    /* all that there was */
    int                       full;        /* the report under way */
    sim_ddm_step_e            step;

    sim_decl_t               *decls;
    uint32_t                  ndecls;

    /* a sync that is under way */

    char                     *next_token;
    sim_decl_t               *next;
    uint32_t                  nnext;
    uint32_t                  fetch;

    sim_item_t               *items;
    uint32_t                  nitems;
};


/* what a predicate or a status item looks at */

typedef struct {
    const sim_fleet_t        *fleet;
    const sim_device_t       *device;
    uint32_t                  user;
    const sim_ddm_t          *ddm;
} sim_view_t;


typedef enum {
    SIM_P_FALSE = 0,
    SIM_P_TRUE,
    SIM_P_SYNTAX,          /* cannot be parsed */
    SIM_P_FAILED           /* names what there is not */
} sim_truth_e;


extern const char  *sim_ddm_kinds[SIM_D_KINDS];      /* "activation" */
extern const char  *sim_ddm_arrays[SIM_D_KINDS];     /* "Activations" */


/* mdmsim_ddm.c */

/* adds the lists of a manifest; SIM_ERROR: it is none */
int sim_ddm_manifest(const sim_json_t *j, uint32_t declarations,
    sim_decl_t **decls, uint32_t *n);
void sim_ddm_decls_free(sim_decl_t **decls, uint32_t *n);

/* mdmsim_ddm_status.c */

void sim_ddm_evaluate(const sim_view_t *view, sim_ddm_t *d);
/* the status report; "full": all of it */
void sim_ddm_report(const sim_view_t *view, sim_ddm_t *d, int full,
    sim_buf_t *out);

/* mdmsim_ddm_item.c */

/* adds the value as JSON; SIM_ERROR: the device does not have it */
int sim_ddm_item(const sim_view_t *view, const char *name, sim_buf_t *out);
void sim_ddm_capabilities(sim_buf_t *out);

/* mdmsim_ddm_predicate.c */

sim_truth_e sim_ddm_predicate(const sim_view_t *view, const char *text);


#endif /* _MDMSIM_DDM_H_INCLUDED_ */
