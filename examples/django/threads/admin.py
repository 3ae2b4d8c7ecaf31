from django.contrib import admin

from threads.models import Thread

admin.site.register(Thread)
