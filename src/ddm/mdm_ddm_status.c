
/*
 * Copyright (C) ngx_mdm_module authors
 */


#include "mdm_ddm_status.h"


mdm_int_t
mdm_ddm_status_step(mdm_exchange_t *x)
{
    return mdm_exchange_refuse(x, 503, "not built yet");
}
