
# Copyright (C) ngx_mdm_module authors

cat << END                                                    >> $NGX_MAKEFILE

$NGX_OBJS/mdm_scripts.c:	$ngx_addon_dir/scripts/embed-lua \\
	$(echo $ngx_addon_dir/src/lua $ngx_addon_dir/src/lua/*.lua)
	sh $ngx_addon_dir/scripts/embed-lua $ngx_addon_dir/src/lua \\
		> $NGX_OBJS/mdm_scripts.tmp
	mv $NGX_OBJS/mdm_scripts.tmp $NGX_OBJS/mdm_scripts.c

$NGX_OBJS/mdm_scripts.h:	$ngx_addon_dir/scripts/embed-lua \\
	$(echo $ngx_addon_dir/src/lua $ngx_addon_dir/src/lua/*.lua)
	sh $ngx_addon_dir/scripts/embed-lua --header $ngx_addon_dir/src/lua \\
		> $NGX_OBJS/mdm_names.tmp
	cmp -s $NGX_OBJS/mdm_names.tmp $NGX_OBJS/mdm_scripts.h \\
		|| mv $NGX_OBJS/mdm_names.tmp $NGX_OBJS/mdm_scripts.h

END
