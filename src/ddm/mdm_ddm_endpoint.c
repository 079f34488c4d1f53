
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The endpoints of this folder: jobs by their names.
 */


#include "mdm_ddm_rollout.h"


const mdm_endpoint_t  mdm_ddm_endpoints[] = {

    { MDM_KIND_JOB, 0, mdm_string("rollout"), mdm_ddm_rollout_step, 0, 0 },
    { MDM_KIND_JOB, 0, mdm_string("tenants"), mdm_ddm_jobs_step, 0, 0 },

    mdm_endpoint_null
};
