
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * GET /v1/ddm/rollout: how far the last change has come.
 */


#include "mdm_api.h"
#include "mdm_api_ddm.h"


mdm_int_t
mdm_api_rollout_step(mdm_exchange_t *x)
{
    int64_t             rev;
    mdm_int_t           rc;
    mdm_str_t           state, time, *args;
    mdm_uint_t          i;
    mdm_json_out_t      j;
    const mdm_reply_t  *reply;

    static const char *const  names[] = {
        "rolled_out", "partitions", "done", "seen", "changed", "queued"
    };

    if (x->state == 0) {
        rc = mdm_api_ddm_read(x, &mdm_script_ddm_job_get, &args);

        return (rc == MDM_OK) ? MDM_CALL : rc;
    }

    /* revision, state, started, finished, then as above; all but the first
       may be absent */

    reply = x->calls[0].reply;

    state = mdm_reply_str(reply, MDM_RET_DDM_JOB_GET_STATE);

    if (state.len == 0) {
        mdm_str_set(&state, "done");
    }

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "state", &state);

    time = mdm_reply_str(reply, MDM_RET_DDM_JOB_GET_REV);

    if (mdm_atoi(&time, &rev) != MDM_OK) {
        rev = 0;
    }

    mdm_json_int(&j, "rev", rev);

    time = mdm_reply_str(reply, MDM_RET_DDM_JOB_GET_STARTED);
    mdm_json_opt_time(&j, "started", &time);

    time = mdm_reply_str(reply, MDM_RET_DDM_JOB_GET_FINISHED);
    mdm_json_opt_time(&j, "finished", &time);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        time = mdm_reply_str(reply, MDM_RET_DDM_JOB_GET_ROLLED_OUT + i);

        if (mdm_atoi(&time, &rev) != MDM_OK) {
            rev = 0;
        }

        mdm_json_int(&j, names[i], rev);
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}
