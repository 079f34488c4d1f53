
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The kinds of work of this folder.
 */


#include "mdm_ddm_rollout.h"


const mdm_job_kind_t  mdm_ddm_jobs[] = {

    { mdm_string(MDM_DDM_ROLLOUT), mdm_ddm_rollout_step, 0, MDM_JOB_LEASE,
      0, 0 },

    mdm_job_null
};
